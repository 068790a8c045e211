"""Qualifying for real, with few pairs of processes: trials in turn, interrupted, gone on with, and kept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from benchmarks.studies.guard_trials import qualify
from benchmarks.studies.guard_trials.__main__ import main
from benchmarks.studies.guard_trials.trial_file import Trial, TrialFile, TrialPlan
from benchmarks.studies.study import app_of
from edgeunet.errors import EdgeUNetError, MismatchError, OutputError, UsageError
from edgeunet.utils.console import INTERRUPTED
from edgeunet_bench.guard.comparison import Comparison
from edgeunet_bench.guard.judging import judgement as judging
from edgeunet_bench.guard.judging.judgement import Verdict
from edgeunet_bench.guard.qualification import Qualification
from edgeunet_bench.guard.running import interleave as interleaving
from edgeunet_bench.guard.running.interleave import interleave
from edgeunet_bench.guard.running.worker import Worker
from tests.models import write_toy_model


@pytest.fixture(autouse=True)
def _short_and_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for module in (interleaving, judging, qualify):
        monkeypatch.setattr(module, "MIN_PAIRS", 3)
    monkeypatch.setattr(interleaving, "ROUNDS", (4, 4))
    monkeypatch.setattr(interleaving, "LOOKS", 1)
    monkeypatch.setattr(qualify, "code_hash", lambda: "c0de")  # whoever edits the code meanwhile
    monkeypatch.setattr(qualify, "ALONE", 1.0)
    monkeypatch.setattr(qualify, "ALONE_S", 0.0)


def _qualify(*arguments: object) -> Result:
    return CliRunner().invoke(app_of(main), ["-o", "q.json", *map(str, arguments)])


def _fails(*arguments: object) -> BaseException:
    error = _qualify(*arguments).exception
    assert error
    assert "\n" not in str(error)
    return error


def _trials() -> list[Trial]:
    path = Path("q.trials.jsonl")
    value = json.loads(path.read_text().splitlines()[0])
    del value["schema"]
    return TrialFile(path, TrialPlan(**value)).trials


def _only(*names: str) -> list[str]:
    return [word for name in names for word in ("--only", name)]


@pytest.mark.slow
def test_it_goes_on_where_it_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = interleave, 0

    def interrupted(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(qualify, "interleave", interrupted)
    result = _qualify("--trials", 2, *_only("A/A", "+5 %"))
    assert result.exit_code == INTERRUPTED
    assert "2 trials in" in result.output
    assert [(t.condition, t.number) for t in _trials()] == [("A/A", 0), ("+5 %", 0)]
    written = Qualification.load("q.json")
    assert {(c.name, c.done, c.declared) for c in written.conditions[:3]} == {("A/A", 1, 2), ("+5 %", 1, 2)}

    first = _trials()[0]
    _qualify(*_only("A/A", "+5 %"))  # as many as were declared when it began
    done = _trials()
    assert [(t.condition, t.number) for t in done] == [("A/A", 0), ("+5 %", 0), ("A/A", 1), ("+5 %", 1)]
    assert repr(done[0]) == repr(first)
    assert all(t.sampled_s > 0 and t.wall_s > t.sampled_s and t.pairs >= 3 for t in done)
    assert all(len(t.rules) == 5 for t in done)


def test_a_comparison_that_ctrl_c_cut_short_is_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    real = interleave

    def partial(*arguments: Any) -> Any:
        measured = real(*arguments)
        measured.partial = True
        return measured

    monkeypatch.setattr(qualify, "interleave", partial)
    assert _qualify("--trials", 1, *_only("A/A")).exit_code == INTERRUPTED
    assert _trials() == []


@pytest.mark.slow
def test_the_disturbance_makes_it_invalid_and_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    workers: list[Worker] = []

    class Watched(Worker):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            workers.append(self)

    monkeypatch.setattr(qualify, "Worker", Watched)
    result = _qualify("--trials", 1, *_only("disturbance"), "--json")
    (trial,) = _trials()
    assert trial.verdict == "INVALID"
    assert trial.foreign is not None
    assert trial.foreign > judging.MAX_FOREIGN
    assert result.exit_code == 0, result.output
    assert [c["verdicts"] for c in json.loads(result.stdout)["conditions"] if c["name"] == "disturbance"] == [
        [{"INVALID": 1}]
    ]
    assert len(workers) == 2  # the first told the facts
    assert not any(Path(f"/proc/{worker.pid}").exists() for worker in workers)


@pytest.mark.slow
def test_what_falls_short_is_kept_with_its_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MAX_FOREIGN", -1.0)  # so that everything is INVALID
    monkeypatch.setattr(qualify, "KEPT", 1)
    result = _qualify("--trials", 2, *_only("+5 %"))
    assert result.exit_code == 1
    assert "missed" in result.output
    assert "--trials 2" in result.output
    (kept,) = Path("q.kept").iterdir()
    comparison = Comparison.load(kept)
    assert comparison.judgement.verdict is Verdict.INVALID
    assert comparison.judgement.ratio == pytest.approx(_trials()[0].ratio)
    assert comparison.b.facts["injected"] == "+5 %"
    assert len(comparison.pairs) == 3


def test_a_trial_that_fails_counts_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> Any:
        raise EdgeUNetError("the measured process ended by itself")

    monkeypatch.setattr(qualify, "interleave", failing)
    assert _qualify("--trials", 2, *_only("tail")).exit_code == 1
    assert [(t.verdict, t.reason) for t in _trials()] == [("ERROR", "the measured process ended by itself")] * 2
    assert not Path("q.kept").exists()


def test_a_trial_waits_for_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = iter([0.5, 0.2, 0.01])
    waits: list[float] = []

    class Load:
        def __init__(self, cpus: set[int]) -> None:
            assert cpus == {max(os.sched_getaffinity(0))}

        def share(self, own_ticks: int) -> float:
            return next(shares)

    monkeypatch.setattr(qualify, "ForeignLoad", Load)
    monkeypatch.setattr(qualify, "ALONE", 0.03)
    monkeypatch.setattr(qualify, "WAIT_S", 0.0)
    monkeypatch.setattr("time.sleep", waits.append)
    monkeypatch.setattr(qualify, "interleave", lambda *_: (_ for _ in ()).throw(EdgeUNetError("not measured here")))
    _qualify("--trials", 1, *_only("tail"))
    assert (len(waits), len(_trials())) == (2, 1)


def test_code_that_changes_during_the_run_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = iter(["a", "a", "b"])
    monkeypatch.setattr(qualify, "code_hash", lambda: next(codes))
    monkeypatch.setattr(qualify, "interleave", lambda *_: (_ for _ in ()).throw(EdgeUNetError("not measured here")))
    assert isinstance(_fails("--trials", 3, *_only("tail")), MismatchError)
    assert len(_trials()) == 1


def test_earlier_trials_of_other_code_are_refused_until_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qualify, "interleave", lambda *_: (_ for _ in ()).throw(EdgeUNetError("not measured here")))
    _qualify("--trials", 2, *_only("tail"))
    assert "another declared" in str(_fails("--trials", 1, *_only("tail")))
    monkeypatch.setattr(qualify, "code_hash", lambda: "other")
    assert "another code" in str(_fails(*_only("tail")))
    assert len(_trials()) == 2
    assert _qualify("--trials", 1, *_only("tail"), "--force").exit_code == 1
    assert len(_trials()) == 1


def test_the_loop_is_held_on_one_processor_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    before, held = os.sched_getaffinity(0), []

    def looking(*_: Any) -> Any:
        held.append(os.sched_getaffinity(0))
        raise EdgeUNetError("not measured here")

    monkeypatch.setattr(qualify, "interleave", looking)
    _qualify("--trials", 1, *_only("tail"))
    assert held == [{max(before)}]
    assert os.sched_getaffinity(0) == before


@pytest.mark.slow
def test_a_model_qualifies_too(monkeypatch: pytest.MonkeyPatch) -> None:
    write_toy_model(Path("toy.onnx"))
    _qualify("--model", "toy.onnx", "--trials", 1, *_only("A/A"))
    (trial,) = _trials()
    assert trial.pairs >= 3, trial.reason
    found = Qualification.load("q.json")
    assert found.conditions[0].workload.startswith("toy.onnx, ")
    assert "backend" in found.machines[0]


def test_bad_input_is_one_line() -> None:
    assert isinstance(_fails("--only", "+7 %"), UsageError)
    assert isinstance(_fails("--trials", 0), UsageError)
    assert "none.onnx" in str(_fails("--model", "none.onnx"))
    Path("q.json").write_text("mine")
    assert isinstance(_fails(), OutputError)
    assert Path("q.json").read_text() == "mine"
