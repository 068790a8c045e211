"""What is said of a record besides its tables."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from edgeunet.latency.analysis import analyse
from edgeunet_bench.report.caveats import record_caveats
from edgeunet_bench.report.run_summary import lines, to_json
from tests.bench.records import noisy, toy_record, toy_telemetry

RNG = np.random.default_rng(7)
TIMES = noisy(RNG, 10.0, 1000)


def test_a_plain_record_has_nothing_to_add() -> None:
    record = toy_record(TIMES)
    assert list(lines(analyse(record))) == []
    assert list(record_caveats(record)) == []


def test_the_deadline_comes_with_its_bounds() -> None:
    times = np.array([5.0] * 999 + [20.0])
    found = "\n".join(lines(analyse(toy_record(times, mode="paced", period_ms=10.0, deadline_ms=10.0))))
    assert "deadline 10.00 ms: 1 of 1000 missed (0.10 %), at most 0.47 % with 95 % and 0.66 % with 99 %" in found
    assert "longest streak 1" in found
    assert "jitter in ms: p50 0.000 (0.000–0.000), p99 0.000 (0.000–0.000), maximum observed 15.00" in found
    assert "worst" not in found


def test_a_soak_says_what_drifted() -> None:
    telemetry = toy_telemetry(seconds=12.0, process_mb=np.linspace(100, 140, 40), cpu_c=np.linspace(40, 60, 40))
    rising = toy_record(TIMES * np.linspace(1, 1.2, 1000), mode="soak", telemetry=telemetry)
    (line,) = lines(analyse(rising))
    assert line.startswith("drift: median 10.")
    assert "in the last (+1" in line
    assert "memory of the process +17.4 MB" in line
    assert "°C" in line
    assert "within chance" in next(lines(analyse(toy_record(np.tile(TIMES[:100], 10), mode="soak"))))
    assert next(lines(analyse(toy_record(TIMES[:30], mode="soak")))).startswith("drift: insufficient")


def test_energy_is_told_with_its_rails() -> None:
    record = toy_record(np.full(200, 10.0), telemetry=toy_telemetry(watts=8.0, idle_watts=3.0))
    (line,) = lines(analyse(record))
    assert line == "energy of a frame: 80.0 mJ, 50.0 mJ above the idle machine (VDD_IN at 10 Hz)"
    assert record.telemetry is not None
    (line,) = lines(analyse(replace(record, telemetry=replace(record.telemetry, idle_mw=None))))
    assert "idle power not measured" in line


def test_what_makes_a_record_worth_less_is_a_warning() -> None:
    def only(**changes: object) -> str:
        (warning,) = record_caveats(toy_record(TIMES, **changes))
        return warning

    assert "throttled" in only(telemetry=toy_telemetry(throttled=np.repeat([0.0, 1.0], 20)))
    assert "had not settled after 7 warm-up calls" in only(warmup_settled=False)
    assert "partial" in only(partial=True)
    assert "one came every 8.00 ms: the queue and the latency grow" in only(mode="paced", period_ms=8.0)
    waited = {"total": TIMES + 100, "wait": np.full(1000, 100.0), "infer": TIMES}
    assert list(record_caveats(toy_record(TIMES, mode="paced", period_ms=20.0, samples_ms=waited))) == []


def test_json_is_plain_and_holds_no_samples() -> None:
    telemetry = toy_telemetry(seconds=10.0, watts=8.0, idle_watts=3.0, cpu_c=np.linspace(40, 60, 40))
    beside = {"first frame after 2 s idle": np.array([3.0])}
    record = toy_record(TIMES, mode="paced", period_ms=20.0, deadline_ms=20.0, others_ms=beside, telemetry=telemetry)
    value = json.loads(json.dumps(to_json(analyse(record)), allow_nan=False))
    assert value["deadlines"]["misses"] == 0
    assert value["jitter_ms"]["n"] == 999
    assert value["others_summary_ms"]["first frame after 2 s idle"]["max"] == 3.0
    assert value["energy_mj"]["gross"] > value["energy_mj"]["net"] > 0
    assert value["throttled"] is False
    assert value["drift"]["warmest_c"][0] == "cpu_c"
    assert len(json.dumps(value)) < 5000
