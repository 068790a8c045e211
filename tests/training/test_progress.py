from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import UsageError
from edgeunet.network.checkpoint import read_checkpoint
from edgeunet.training import progress
from edgeunet.training.progress import Steps, TimeBudget, seconds_from_text
from edgeunet.training.training_options import TrainingOptions
from edgeunet.training.training_run import TrainingResult, train
from tests.datasets import write_dataset
from tests.training.jobs import RECIPE, Watcher, job


def test_times_are_seconds_minutes_or_hours() -> None:
    assert [seconds_from_text(t) for t in ("600s", "90m", "2h", "1.5h")] == [600, 5400, 7200, 5400]


@pytest.mark.parametrize("wrong", ["", "90", "m", "-5s", "0s", "2d", "1h30m"])
def test_other_times_are_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="such as 600s, 90m or 2h"):
        seconds_from_text(wrong)


def test_steps_and_time_are_not_given_together() -> None:
    with pytest.raises(UsageError, match="--steps and --time-budget"):
        TrainingOptions(steps=5, time_budget_s=60)


def test_so_many_steps_are_evaluated_at_equal_distances_and_at_the_end() -> None:
    steps = Steps(10, evaluations=3)
    assert [k for k in range(1, 11) if steps.is_due(k, 0.0)] == [4, 8, 10]


def test_the_last_evaluation_fits_into_the_time() -> None:
    budget = TimeBudget(100, evaluations=4, evaluation_s=2)
    assert budget.total == 98_000
    budget.evaluated(30, took_s=5)
    assert budget.total == 95_000
    assert budget.is_due(0, 95)


def test_evaluations_get_a_tenth_of_the_time_at_most() -> None:
    budget = TimeBudget(100, evaluations=20, evaluation_s=2)
    assert not budget.is_due(0, 17.9)
    assert budget.is_due(0, 18)
    budget.evaluated(20, took_s=0.1)
    assert budget.is_due(0, 25)


def test_a_time_too_short_for_an_evaluation_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--time-budget 20s is too short.* about 15 s here; give at least 150s"):
        TimeBudget(20, evaluations=5, evaluation_s=15)


TimedRun = Callable[..., tuple[TrainingResult, float]]


@pytest.fixture
def timed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TimedRun:
    """Trains in tmp_path/run with a budget of 10 s, by a clock that goes on a tenth of a second at every look.

    Gives the outcome, and how long this start took.
    """
    clock = count()
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock) / 10))
    dataset = DatasetFolder.open(write_dataset(tmp_path / "d"))

    def timed(watcher: Watcher, *, resume: bool = False) -> tuple[TrainingResult, float]:
        recipe = replace(RECIPE, evaluations=4)
        began = next(clock) / 10
        folder = tmp_path / "run"
        task = job(dataset, folder, recipe, (2, 4), time_budget_s=10.0, began=began, resume=resume)
        return train(task, watcher), next(clock) / 10 - began

    return timed


def test_a_run_ends_with_its_time_and_at_the_schedules_end(timed_run: TimedRun, tmp_path: Path) -> None:
    watcher = Watcher()
    outcome, _ = timed_run(watcher)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert not outcome.interrupted
    assert record["finished"]
    assert record["seconds"] == pytest.approx(10, rel=0.05)
    assert len(watcher.scores) == 4
    assert record["curve"][-1]["step"] == outcome.step == len(watcher.losses)
    rate = read_checkpoint(tmp_path / "run" / "last.pt")["run"]["optimizer"]["param_groups"][0]["lr"]
    assert 0 < rate < 0.01 * RECIPE.lr


def test_a_resumed_run_has_what_is_left_of_its_time(timed_run: TimedRun, tmp_path: Path) -> None:
    first, used = timed_run(Watcher(interrupt_at=20))
    assert first.interrupted
    assert 1 < used < 5
    second, rest = timed_run(Watcher(), resume=True)
    assert not second.interrupted
    assert second.step > first.step
    assert used + rest == pytest.approx(10, rel=0.1)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["seconds"] == pytest.approx(10, rel=0.05)
