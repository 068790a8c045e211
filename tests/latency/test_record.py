"""Latency records: what is written is what is read, exact intervals, and every kind of damage in one line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from edgeunet.errors import OutputError, RecordError
from edgeunet.latency.quantiles import samples_needed, summarize
from edgeunet.latency.record import LatencyRecord, Telemetry
from tests.bench.records import noisy, toy_record, toy_telemetry

RNG = np.random.default_rng(3)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    record = toy_record(noisy(RNG, 5.0, 30), partial=True, warmup_settled=False)
    path = tmp_path / "record.json"
    record.save(path, force=False)
    loaded = LatencyRecord.load(path)
    assert loaded.to_dict() == record.to_dict()
    assert loaded.subject == record.subject
    assert loaded.stages == ("fit", "infer")
    assert json.loads(path.read_text())["summary_ms"]["total"]["p50"]["value"] == record.summary().p50.value


def test_schedule_telemetry_and_what_was_measured_beside_are_kept(tmp_path: Path) -> None:
    beside = {"first frame after 2 s idle": np.array([9.0, 9.5])}
    telemetry = toy_telemetry(seconds=2.0, watts=7.5, idle_watts=3.0, cpu_c=np.linspace(50, 60, 40))
    record = toy_record(
        noisy(RNG, 5.0, 30),
        mode="paced",
        period_ms=100 / 3,
        deadline_ms=20.0,
        dropped=3,
        others_ms=beside,
        telemetry=telemetry,
    )
    path = tmp_path / "record.json"
    record.save(path, force=False)
    assert json.loads(path.read_text())["telemetry"]["values"]["cpu_mhz"][:2] == [None, 1500.0]
    loaded = LatencyRecord.load(path)
    assert (loaded.period_ms, loaded.deadline_ms, loaded.dropped) == (100 / 3, 20.0, 3)
    assert loaded.others_ms["first frame after 2 s idle"].tolist() == [9.0, 9.5]
    assert loaded.telemetry is not None
    assert np.isnan(loaded.telemetry.values["cpu_mhz"][0])
    assert (loaded.telemetry.rails, loaded.telemetry.idle_mw, loaded.telemetry.cost) == (("VDD_IN_mw",), 3000.0, 0.01)
    assert loaded.telemetry.hz == pytest.approx(10.0)
    assert loaded.to_dict() == record.to_dict()


def test_throttling_is_seen_at_any_time() -> None:
    quiet = toy_telemetry(throttled=np.array([0.0] * 39 + [np.nan]))
    assert not quiet.throttled
    assert not toy_telemetry().throttled  # nothing tells
    assert toy_telemetry(throttled=np.array([0.0] * 20 + [1.0] + [0.0] * 19)).throttled


def test_one_time_has_no_rate() -> None:
    assert np.isnan(Telemetry(np.zeros(1), {}, (), None, 0.0).hz)


def test_a_name_that_is_no_text_can_be_read_again(tmp_path: Path) -> None:
    record = toy_record(np.ones(3), frames=os.fsdecode(b"caf\xe9.mp4"))
    record.save(tmp_path / "r.json", force=False)
    assert LatencyRecord.load(tmp_path / "r.json").frames == "caf?.mp4"


def test_an_existing_file_is_kept_without_force(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        toy_record(np.ones(3)).save(path, force=False)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("n", [1, 6, 7, 44, 458, 459, 1000, 4602, 4603])
def test_intervals_are_the_exact_ones_of_scipy(n: int) -> None:
    samples = RNG.gamma(4.0, 2.0, n)
    for quantile in summarize(samples).quantiles:
        expected: Any = stats.quantile_test(samples, p=quantile.p).confidence_interval(0.98)
        if np.isnan([expected.low, expected.high]).any():
            assert quantile.interval is None
        else:
            assert quantile.interval == (expected.low, expected.high)
        assert quantile.value == np.quantile(samples, quantile.p, method="inverted_cdf")


def test_too_few_samples_have_no_interval() -> None:
    assert (samples_needed(0.5), samples_needed(0.99), samples_needed(0.999)) == (7, 459, 4603)
    assert summarize(RNG.random(458)).p99.interval is None
    assert summarize(RNG.random(459)).p99.interval is not None


def test_the_interval_holds_as_often_as_it_says() -> None:
    true_p90 = -np.log(0.1)
    intervals = [summarize(RNG.exponential(1.0, 200)).p90.interval for _ in range(400)]
    inside = [i[0] <= true_p90 <= i[1] for i in intervals if i is not None]
    assert len(inside) == 400
    assert np.mean(inside) > 0.96  # at least 0.98 is meant; 0.96 is three standard errors below


def _telemetry(**damage: object) -> dict[str, Any]:
    return {"telemetry": {**toy_telemetry(watts=7.0, idle_watts=3.0).to_dict(), **damage}}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"schema": "edgeunet.latency/1"}, "its schema is 'edgeunet.latency/1', expected 'edgeunet.latency/2'"),
        ({"samples_ms": {"total": [], "fit": []}, "starts_ms": []}, "no samples of starts"),
        ({"samples_ms": {"fit": [1.0]}}, "no samples of total"),
        ({"samples_ms": {"total": [1.0, float("nan")]}, "starts_ms": [0, 1]}, "not a latency record"),
        ({"samples_ms": {"total": [1.0, -0.5]}, "starts_ms": [0, 1]}, "total must be times from 0"),
        ({"samples_ms": {"total": [1.0, "fast"]}, "starts_ms": [0, 1]}, "expected a list of numbers"),
        ({"samples_ms": {"total": [1.0, None]}, "starts_ms": [0, 1]}, "total must be times from 0"),
        ({"samples_ms": {"total": [[1.0]]}, "starts_ms": [0]}, "list of numbers"),
        ({"samples_ms": {"total": [1e10]}, "starts_ms": [0]}, "total must be times from 0 to 1e\\+09 ms"),
        ({"samples_ms": {"total": [1.0], "fit": [1.0, 2.0]}, "starts_ms": [0]}, "fit has 2 samples, total has 1"),
        ({"samples_ms": {"total": [1.0]}, "starts_ms": [-1]}, "starts must be times from 0"),
        ({"samples_ms": {"total": [10**999]}, "starts_ms": [0]}, "not a latency record"),
        ({"samples_ms": 5}, "samples_ms: expected an object, got a whole number"),
        ({"partial": "no"}, "partial: expected true or false, got text"),
        ({"created": "yesterday"}, "created is 'yesterday', expected a time in UTC"),
        ({"created": "0001-01-01T00:00:00+23:59"}, "expected a time in UTC"),
        ({"created": 5}, "created: expected text, got a whole number"),
        ({"created": "2026-01-02T03:04:05"}, "created is '2026-01-02T03:04:05'"),
        ({"others_ms": {"first frame": []}}, "no samples of first frame"),
        ({"others_ms": {"first frame": [-1.0]}}, "first frame must be times from 0"),
        ({"period_ms": 0}, "period_ms: expected a number >= 1e-06"),
        ({"period_ms": "often"}, "period_ms: expected a number or null, got text"),
        ({"deadline_ms": -1}, "deadline_ms: expected a number"),
        ({"dropped": -1}, "dropped: expected a whole number >= 0"),
        ({"dropped": 1.5}, "dropped: expected a whole number or null"),
        ({"telemetry": 5}, "telemetry: expected an object or null"),
        ({"telemetry": {}}, "telemetry: the field 'times_ms' is missing"),
        (_telemetry(times_ms=[0.0, None]), "times of the telemetry must be numbers in ascending order"),
        (_telemetry(times_ms=[float(-t) for t in range(40)]), "in ascending order"),
        (_telemetry(times_ms=[1e13] * 40), "times of the telemetry must be up to 1e\\+12 ms"),
        (_telemetry(values={"cpu_c": [50.0]}), "cpu_c has 1 values, the telemetry 40 times"),
        (_telemetry(rails=["VDD_IN_mw", "VDD_CPU_mw"]), "no values of the rail VDD_CPU_mw"),
        (_telemetry(cost=-0.1), "cost must be from 0 to 1e\\+12, got -0.1"),
        (_telemetry(idle_mw=-1), "idle power must be from 0 to 1e\\+12, got -1.0"),
        ({"machine": None}, "machine: expected an object, got null"),
        ({"subject": {"model": "a"}}, "subject: the field 'model_sha256' is missing"),
        ({"sources": ["a", "b"], "source_of": [0]}, "source_of has 1 samples, total has 3"),
        ({"sources": ["a"], "source_of": [0, 0, 1]}, "a source that is not listed"),
        ({"sources": ["a", "a"], "source_of": [0, 0, 1]}, "listed twice"),
    ],
)
def test_a_damaged_record_is_named_in_one_line(tmp_path: Path, damage: dict[str, Any], message: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps({**toy_record(np.ones(3)).to_dict(), **damage}))
    with pytest.raises(RecordError, match=message) as caught:
        LatencyRecord.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_missing_field_is_named(tmp_path: Path) -> None:
    whole = toy_record(np.ones(3)).to_dict()
    path = tmp_path / "record.json"
    required = {field.name for field in fields(LatencyRecord) if field.default is field.default_factory is MISSING}
    for name in required:
        path.write_text(json.dumps({key: value for key, value in whole.items() if key != name}))
        with pytest.raises(RecordError, match=f"the field '{name}' is missing"):
            LatencyRecord.load(path)


def test_secrets_of_older_records_are_hidden_when_they_are_read(tmp_path: Path) -> None:
    camera = (
        "edgeunet camera m.onnx --source http://admin:S3cret@10.0.0.2/video --token TokenS3cret --latency-record r.json"
    )
    program = "./fast --password S3cret --source rtsp://a:S3cret@10.0.0.2/x"
    value = toy_record(np.ones(3)).to_dict()
    value["subject"] |= {"command": camera, "model": program, "model_sha256": ""}
    (tmp_path / "old.json").write_text(json.dumps(value))
    read = LatencyRecord.load(tmp_path / "old.json")
    read.save(tmp_path / "new.json", force=False)
    assert "S3cret" not in (tmp_path / "new.json").read_text()
    assert read.subject.command.startswith("edgeunet camera m.onnx --source ")
    assert read.subject.model.startswith("./fast --password")


def test_sources_are_told_apart(tmp_path: Path) -> None:
    record = toy_record(np.array([1.0, 9.0, 2.0, 8.0]), sources=("front", "back", "none"), source_of=(0, 1, 0, 1))
    record.save(tmp_path / "r.json", force=False)
    front, back = LatencyRecord.load(tmp_path / "r.json").by_source()
    assert (front.frames, back.frames) == ("front", "back")
    assert front.samples_ms["total"].tolist() == [1.0, 2.0]
    assert back.starts_ms.tolist() == [1.0, 12.0]
    assert next(replace(record, source_of=(0, 0, 0, 0)).by_source()).summary().n == 4
    (whole,) = toy_record(np.ones(3)).by_source()
    assert whole.sources == ()


def test_files_that_are_no_record(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    with pytest.raises(RecordError, match="no such file; measure again"):
        LatencyRecord.load(path)
    text = json.dumps(toy_record(np.ones(3)).to_dict())
    for damaged in (text[: len(text) // 2], "", "\xff\x00", "[1, 2]", "{}", "[" * 100_000):
        path.write_text(damaged, encoding="latin-1")
        with pytest.raises(RecordError, match=r"is not a latency record \(.*measure again"):
            LatencyRecord.load(path)


JUNK: list[Any] = [None, -1, 1e999, "x", [], {}, [None], [[1.0]], {"a": 1}, True, 10**400, [-1.0], ["x", 1.0]]


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Keys to every value inside, down to the first item of each list."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))


def _types(record: dict[str, Any]) -> dict[str, type]:
    """Of what a person reads of a record."""
    facts = {**record["subject"], **record}
    optional = ("period_ms", "deadline_ms", "dropped", "telemetry")
    return {name: type(facts[name]) for name in facts if name not in optional}


def test_whatever_stands_in_any_place_there_is_a_record_or_one_line(tmp_path: Path) -> None:
    telemetry = toy_telemetry(watts=7.0, idle_watts=3.0)
    beside = {"first frame": np.ones(2)}
    whole = toy_record(np.ones(3), period_ms=5.0, others_ms=beside, telemetry=telemetry).to_dict()
    text, types = json.dumps(whole), _types(whole)
    path = tmp_path / "record.json"
    refused = 0
    for place in _places({k: v for k, v in json.loads(text).items() if k != "summary_ms"}):
        for junk in JUNK:
            value = json.loads(text)
            *outer, last = place
            inside = value
            for key in outer:
                inside = inside[key]
            inside[last] = junk
            path.write_text(json.dumps(value).replace("Infinity", "1e999"))
            try:
                assert _types(LatencyRecord.load(path).to_dict()) == types  # some of the junk may stand there
            except RecordError as error:
                refused += 1
                assert "\n" not in str(error)  # noqa: PT017
    assert refused > 200


def test_drops_are_those_of_each_source_where_they_are_known(tmp_path: Path) -> None:
    two = {"sources": ("front", "back"), "source_of": (0, 1, 0)}
    record = toy_record(np.ones(3), **two, dropped=7, dropped_of=(7, 0))
    record.save(tmp_path / "r.json", force=False)
    assert [part.dropped for part in LatencyRecord.load(tmp_path / "r.json").by_source()] == [7, 0]
    assert [part.dropped for part in toy_record(np.ones(3), **two, dropped=7).by_source()] == [None, None]
    for wrong in ((7,), (6, 0)):
        with pytest.raises(RecordError, match="are not those of the record"):
            replace(record, dropped_of=wrong)
