"""The energy of a frame: power that is known, and what is said where it is not."""

from __future__ import annotations

import numpy as np
import pytest

from edgeunet.latency.energy import FrameEnergy, energy
from edgeunet.latency.record import LatencyRecord, Telemetry
from tests.bench.records import toy_record, toy_telemetry


def drawn(record: LatencyRecord) -> FrameEnergy:
    found = energy(record)
    assert found
    return found


def test_constant_power_is_shared_by_the_frames() -> None:
    telemetry = toy_telemetry(seconds=2.0, watts=8.0, idle_watts=3.0)
    record = toy_record(np.full(200, 10.0), telemetry=telemetry)  # 2 s in all
    # The rise from idle power lies between two samples of power, and half of it before the first frame.
    assert drawn(record).gross_mj == pytest.approx(80.0)
    assert drawn(record).idle_mj == pytest.approx(30.0)
    assert drawn(record).net_mj == pytest.approx(50.0)


def test_power_that_changes_is_integrated_over_uneven_times() -> None:
    times = np.array([0.0, 100.0, 1000.0])
    values = {"a_mw": np.array([1000.0, 2000.0, 2000.0]), "b_mw": np.array([0.0, 0.0, 1000.0])}
    record = toy_record(np.full(10, 100.0), telemetry=Telemetry(times, values, ("a_mw", "b_mw"), None, 0.0))
    joules = 1.5 * 0.1 + 2.5 * 0.9
    assert drawn(record).gross_mj == pytest.approx(joules * 1000 / 10)
    assert drawn(record).net_mj is None


def test_a_paced_run_is_charged_for_the_time_between_frames() -> None:
    telemetry = toy_telemetry(seconds=2.0, watts=8.0, idle_watts=8.0)
    record = toy_record(np.full(20, 10.0), mode="paced", starts_ms=np.arange(20) * 100.0, telemetry=telemetry)
    assert drawn(record).gross_mj == pytest.approx(8000 * (1.9 + 0.01) / 20)
    assert drawn(record).net_mj == pytest.approx(0.0)


def test_a_rail_that_did_not_answer_is_bridged() -> None:
    gaps = np.array([np.nan if i % 3 else 5000.0 for i in range(40)])
    telemetry = toy_telemetry(gap_mw=gaps)
    telemetry = Telemetry(telemetry.times_ms, telemetry.values, ("gap_mw",), None, 0.0)
    assert drawn(toy_record(np.full(200, 10.0), telemetry=telemetry)).gross_mj == pytest.approx(50.0)


def test_without_power_there_is_no_energy() -> None:
    times = np.full(200, 10.0)
    silent = toy_telemetry(silent_mw=np.full(40, np.nan))
    before = Telemetry(np.array([-9.0, -8.0]), {"a_mw": np.ones(2)}, ("a_mw",), 1.0, 0.0)
    for telemetry in (
        None,
        toy_telemetry(),
        Telemetry(silent.times_ms, silent.values, ("silent_mw",), None, 0.0),
        before,
    ):
        record = toy_record(times, telemetry=telemetry)
        assert energy(record) is None
    assert energy(toy_record(times, mode="cold", telemetry=toy_telemetry(watts=8.0))) is None
