"""What is injected is really there: in the times that an arm tells, and in the work that it gets done."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.studies.guard_trials import arm
from benchmarks.studies.guard_trials.arm import NOTHING, ArmOptions, Injection, injected
from edgeunet.errors import EdgeUNetError
from edgeunet_bench.guard.running.model_arm import ModelOptions
from edgeunet_bench.guard.running.worker import Worker
from tests.models import write_toy_model


def _spin(_: int) -> float:
    begin = time.perf_counter_ns()
    while time.perf_counter_ns() - begin < 200_000:
        pass
    return 0.2  # said exactly, so that only the injection can scatter


@pytest.mark.parametrize("slower", [1.03, 1.5])
def test_a_call_takes_and_tells_so_many_times_its_own_time(slower: float) -> None:
    call = injected(_spin, Injection(slower=slower))
    told, taken = [], []
    for i in range(200):
        begin = time.perf_counter_ns()
        told.append(call(i))
        taken.append((time.perf_counter_ns() - begin) / 1e6)
    assert np.median(told) == pytest.approx(0.2 * slower, rel=0.005)
    assert min(told) >= 0.2 * slower
    assert min(taken) >= 0.2 * slower  # the processor was busy for all of it


@pytest.fixture
def _ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by 0.1 µs at every look, so that no other program can make a call long."""
    monkeypatch.setattr(arm, "time", SimpleNamespace(perf_counter_ns=itertools.count(step=100).__next__))


@pytest.mark.usefixtures("_ticking")
def test_a_tail_is_twice_as_long_in_its_share_of_calls() -> None:
    told = np.array([injected(lambda _: 0.002, Injection(tail=0.02))(i) for i in range(5_000)])
    assert (told >= 0.004).mean() == pytest.approx(0.02, abs=0.012)  # 6 standard deviations
    assert np.median(told) < 0.003


@pytest.mark.usefixtures("_ticking")
def test_the_tail_falls_on_other_calls_in_each_process() -> None:
    drawn = []
    for _ in range(2):
        call = injected(lambda _: 0.002, Injection(tail=0.5))
        drawn.append([call(i) >= 0.004 for i in range(200)])
    assert sum(a != b for a, b in zip(*drawn, strict=True)) > 50  # of 100 expected


def test_without_an_injection_the_call_is_the_call() -> None:
    assert injected(_spin, NOTHING) is _spin


def test_the_loop_serves_turns_and_counts_its_starts(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    plain, slow = ArmOptions(starts=str(starts)), ArmOptions(Injection(slower=3.0))
    with Worker(plain.argv()) as a, Worker(slow.argv()) as b:
        about = a.ready()
        assert b.ready() == about
        quickest = [min(w.measure(20).min() for _ in range(10)) for w in (a, b)]  # the tests' machine may be busy
    assert "float32" in about["workload"]
    assert quickest[1] / quickest[0] == pytest.approx(3.0, rel=0.2)
    assert starts.stat().st_size == 1


def test_a_model_is_called_through_its_session(tmp_path: Path) -> None:
    model = ModelOptions(str(write_toy_model(tmp_path / "toy.onnx")), threads=1)
    with Worker(ArmOptions(Injection(slower=1.05), model).argv()) as worker:
        assert worker.ready()["threads"] == "1"
        assert (worker.measure(3) > 0).all()


def test_a_model_that_does_not_open_says_why(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_text("no model")
    with Worker(ArmOptions(model=ModelOptions(str(damaged))).argv()) as worker, pytest.raises(EdgeUNetError) as error:
        worker.ready()
    assert "damaged.onnx" in str(error.value)
