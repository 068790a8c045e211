"""A good file with one change anywhere in it is shown, or is one line: no table, plot or judge meets what is wrong."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.studies.guard_trials.trial_file import declared_in
from edgeunet.errors import EdgeUNetError, MismatchError, RecordError, UsageError
from edgeunet.evaluation.scores_file import load_scores
from edgeunet_bench.fit.shortlist import DeviceBudget, choose
from edgeunet_bench.guard.baseline import load_baseline
from edgeunet_bench.guard.commands import judge_again
from edgeunet_bench.guard.comparison import Comparison
from edgeunet_bench.render.markdown import markdown
from edgeunet_bench.report.contents import contents
from edgeunet_bench.report.report_inputs import ReportInputs, load_inputs
from edgeunet_bench.report.values import as_json
from edgeunet_bench.report.write import html
from edgeunet_bench.sweep.sweep_file import Sweep
from tests.bench.records import toy_record, toy_telemetry
from tests.bench.report.makers import inputs_of
from tests.bench.sweep.rows import toy_row, toy_sweep
from tests.marks import slow

RELEASE = Path(__file__).parents[1] / "release"
MEASURED = ("record", "paced", "command", "camera", "comparison", "sweep", "qualification")
WORDS = ["", "[/]", "$a_$", "_x", "<b>", "|`\\", "\x1b[31m\x00", "=1+1", "\ud800", "a\nb", "é模🚀", "x" * 2000, "PASS"]
JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 1, 2, 2**31, 2**53, 2**63, 10**400]),
    st.sampled_from([0.0, -0.5, 1e-320, 1e-12, 0.5, 1e9, 1e12, 1e300, float("inf"), float("nan")]),
    st.sampled_from(WORDS),
    st.sampled_from([[], {}, [[]], [None], [0.0], [1.0], ["a", "b"], {"a": 1}, {"": {}}, {"total": []}, [[[[[[1]]]]]]]),
)
CHEAP = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Keys to every value inside, down to the first item of each list."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    return [path, *(place for key, inner in items for place in _places(inner, (*path, key)))]


@st.composite
def _changed(draw: st.DrawFn, text: str) -> str:
    """JSON text with one value replaced, left out, or in its list twice."""
    value = json.loads(text)
    *outer, last = draw(st.sampled_from(_places(value)[1:]))
    inside = value
    for key in outer:
        inside = inside[key]
    how = draw(st.sampled_from(["replace", "replace", "replace", "remove", "double"]))
    if how == "remove":
        del inside[last]
    elif how == "double" and isinstance(inside, list):
        inside.append(inside[last])
    elif how == "double":
        inside[draw(st.sampled_from(WORDS))] = inside[last]
    else:
        inside[last] = draw(JUNK)
    return json.dumps(value).replace("Infinity", "1e999")


def _shown(inputs: ReportInputs) -> None:
    sections = contents(inputs)
    json.loads(as_json(inputs), parse_constant=pytest.fail)
    assert markdown(sections, inputs.measured).encode()


def _works_or_one_line(path: Path, text: str, use: Callable[[Path], object]) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            use(path)
        except (RecordError, UsageError, MismatchError) as error:
            assert "\n" not in str(error)  # noqa: PT017
            assert len(str(error)) < 1000  # noqa: PT017


@pytest.mark.parametrize("name", MEASURED)
def test_a_changed_file_is_shown_or_named(tmp_path: Path, name: str) -> None:
    @CHEAP
    @given(_changed((RELEASE / f"{name}.json").read_text()))
    def check(text: str) -> None:
        _works_or_one_line(tmp_path / "x.json", text, lambda path: _shown(load_inputs([path], [])))

    check()


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURED)
def test_a_changed_file_is_drawn_or_named(tmp_path: Path, name: str) -> None:
    @settings(CHEAP, max_examples=3)
    @given(_changed((RELEASE / f"{name}.json").read_text()))
    def check(text: str) -> None:
        _works_or_one_line(tmp_path / "x.json", text, lambda path: html(contents(load_inputs([path], [])), "now"))

    check()


def _operations(network: str, size: tuple[int, int]) -> float:
    if network != "nano":
        raise UsageError(f"unknown model {network!r}")
    return size[0] * size[1]


def _chosen(path: Path) -> None:
    choose(Sweep.load(path), DeviceBudget(1e3, 1e6), _operations)


def _baseline(path: Path) -> None:
    load_baseline(path.parent, path.stem)


def _judged(path: Path) -> None:
    assert judge_again(path)[0].a == Comparison.load(path).a


@pytest.mark.parametrize(
    ("file", "use"),
    [
        ("comparison.json", _judged),
        ("sweep.json", _chosen),
        ("scores.json", load_scores),
        ("baselines/release.json", _baseline),
    ],
)
def test_a_changed_file_is_used_or_named(tmp_path: Path, file: str, use: Callable[[Path], object]) -> None:
    @CHEAP
    @given(_changed((RELEASE / file).read_text()))
    def check(text: str) -> None:
        _works_or_one_line(tmp_path / "x.json", text, use)

    check()


@CHEAP
@given(st.data())
def test_a_changed_line_of_trials_is_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lines = (RELEASE / "qualification.trials.jsonl").read_text().splitlines()
    number = data.draw(st.integers(0, len(lines) - 1))
    lines[number] = data.draw(_changed(lines[number]))
    path = tmp_path_factory.mktemp("trials") / "x.jsonl"
    _works_or_one_line(path, "\n".join([*lines, ""]), declared_in)


@CHEAP
@given(st.binary(max_size=200))
def test_bytes_are_no_traceback(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "x.json"
    path.write_bytes(data)
    with pytest.raises(EdgeUNetError):
        load_inputs([path], [])


@pytest.mark.parametrize("time_ms", [1e9, *slow(0.0, 1e-320)])
def test_times_at_the_ends_of_their_range_are_drawn(time_ms: float) -> None:
    slow, fast = toy_row("slow.onnx", time_ms, 0.0), toy_row("fast.onnx", 5.0, 1.0)
    times, telemetry = np.full(60, time_ms), toy_telemetry(watts=1e6, idle_watts=0.0)
    items = [
        toy_sweep(slow),
        toy_sweep(slow, fast, budget_ms=1e-6),
        toy_record(times, mode="soak", telemetry=telemetry),
        toy_record(times, mode="camera", deadline_ms=1e-6, period_ms=1e9),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for item in items:
            assert html(contents(inputs_of(item)), "now")
