"""Two real models against each other in fresh processes; small differences are for the guard's own tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.guard import interleave as interleaving
from benchmarks.guard import judge as guard
from benchmarks.guard.interleave import ROUNDS, CompareOptions, interleave
from benchmarks.guard.judge import Verdict
from benchmarks.guard.worker import ModelArm, Worker
from edgeunet.errors import EdgeUNetError, ModelFileError, UsageError
from tests.models import toy_spec, write_toy_model


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_model(tmp_path_factory.mktemp("models") / "small.onnx", toy_spec((64, 64)))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_model(tmp_path_factory.mktemp("models") / "large.onnx", toy_spec((512, 512)))


def test_a_much_larger_model_is_slower_in_every_round(
    small: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (guard, interleaving):
        monkeypatch.setattr(module, "MIN_PAIRS", 3)
    monkeypatch.setattr(guard, "MAX_DRIFT", 1000.0)  # the tests' machine may be busy
    monkeypatch.setattr(interleaving, "ROUND_S", 0.02)
    comparison = interleave(small, large, CompareOptions(seconds=60, threads=1))
    judgement = comparison.judgement
    assert judgement.pairs == len(comparison.pairs) == 3  # clear at the first look
    assert all(len(pair) == ROUNDS for pair in comparison.pairs)
    rounds = [r for pair in comparison.pairs for r in pair]
    assert all(len(r.a_ms) > 1 and len(r.b_ms) > 1 and len(r.reference_ms) > 1 for r in rounds)
    assert judgement.ratio > 3
    assert judgement.verdict is Verdict.REGRESSED


def test_time_that_is_up_ends_it_without_a_verdict(small: Path) -> None:
    judgement = interleave(small, small, CompareOptions(seconds=0.5)).judgement
    assert judgement.pairs < 9
    assert judgement.verdict is not Verdict.PASS


def test_a_model_that_does_not_open_says_so(small: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.onnx"
    text.write_text("no model")
    with pytest.raises(ModelFileError, match=r"text\.onnx is not a model"):
        interleave(small, text, CompareOptions())


def test_workers_that_run_differently_are_refused(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = iter((1, 2))

    def arm(model: Path, data: Path | None, _threads: int | None, _backend: str | None) -> ModelArm:
        return ModelArm(model, data, next(threads), None)

    monkeypatch.setattr(interleaving, "ModelArm", arm)
    judgement = interleave(small, small, CompareOptions()).judgement
    assert judgement.verdict is Verdict.REFUSED
    assert "threads: 1 and 2" in judgement.reason


def test_a_worker_that_dies_is_an_error_and_not_a_hang(small: Path) -> None:
    with Worker(ModelArm(small, None, 1, None)) as worker:
        about, call_s = worker.ready()
        assert about["threads"] == "1"
        assert call_s > 0
        assert worker.measure(3).shape == (3,)
        worker._process.kill()
        with pytest.raises(EdgeUNetError, match="ended by itself"):
            worker.measure(3)


def test_the_reference_workload_leaves_the_environment_alone() -> None:
    before = dict(os.environ)
    with Worker(None) as reference:
        assert dict(os.environ) == before
        reference.ready()
        assert (reference.measure(4) > 0).all()


def test_senseless_options_are_refused() -> None:
    with pytest.raises(UsageError, match="above 0 seconds, got -1"):
        CompareOptions(seconds=-1)
