"""The progress of a run, its scores, and its end: after a number of steps, or after a time budget."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from edgeunet.errors import UsageError
from edgeunet.evaluation.metrics import Scores
from edgeunet.utils.limits import SECONDS

Row = dict[str, float]
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_SPACING = 9  # times an evaluation's duration that are trained before the next: evaluations get a tenth at most


def seconds_from_text(text: str) -> float:
    """ "90m" → 5400.0; s, m or h. Raises UsageError for anything else."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smh])", text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not 0 < seconds <= SECONDS:
        raise UsageError(f"--time-budget is a time such as 600s, 90m or 2h, a year at most, got {text[:40]!r}")
    return seconds


@dataclass(frozen=True)
class Steps:
    """A run of `total` steps, with that many evaluations, the last one at its end."""

    total: int
    evaluations: int

    def position(self, step: int, _: float) -> int:
        """How far the run is, out of `total`."""
        return step

    def is_due(self, step: int, _: float) -> bool:
        """Whether the network is to be evaluated after `step` steps."""
        return step % math.ceil(self.total / self.evaluations) == 0 or step >= self.total

    def evaluated(self, seconds: float, took_s: float) -> None:
        """Does nothing: the number of steps is fixed."""


class TimeBudget:
    """A run of `budget_s` seconds, evaluations and saving included; positions are in milliseconds.

    Training ends early enough for the last evaluation, judged by the one before: at first evaluation_s.
    Slow evaluations are made less often than the recipe says.
    """

    def __init__(self, budget_s: float, evaluations: int, evaluation_s: float, seconds: float = 0.0) -> None:
        """seconds: how much of the budget an interrupted run has used."""
        if 2 * evaluation_s > budget_s:
            raise UsageError(
                f"--time-budget {budget_s:g}s is too short: evaluating the val frames once takes about "
                f"{evaluation_s:.0f} s here; give at least {math.ceil(10 * evaluation_s)}s"
            )
        self._budget_s, self._pause_s = budget_s, budget_s / evaluations
        self.evaluated(seconds, evaluation_s)

    @property
    def total(self) -> int:
        """Milliseconds until the last evaluation."""
        return int(1000 * (self._budget_s - self._evaluation_s))

    def position(self, _: int, seconds: float) -> int:
        """How far the run is, out of `total`."""
        return int(1000 * seconds)

    def is_due(self, step: int, seconds: float) -> bool:
        """Whether the network is to be evaluated after `seconds` seconds."""
        return seconds >= self._next_s or self.position(step, seconds) >= self.total

    def evaluated(self, seconds: float, took_s: float) -> None:
        """An evaluation has ended after `seconds` seconds of the run, and took `took_s` of them."""
        self._evaluation_s = took_s
        self._next_s = seconds + max(self._pause_s, _SPACING * took_s)


Length: TypeAlias = "Steps | TimeBudget"


class TrainingProgress:
    """The progress of a run between two steps.

    step: optimiser steps so far. seconds: that the run has taken, all starts together; the same in every process.
    length: when it ends. ended: whether it has. best: the largest mIoU so far, None before there is one.
    losses: of the steps since the last evaluation. rows: one for each evaluation, as in log.csv.
    """

    length: Length

    def __init__(self, began: float) -> None:
        """began: time.monotonic() when this start of the run began."""
        self._began = began
        self.step, self.seconds, self.ended = 0, 0.0, False
        self.best: float | None = None
        self.losses: list[float] = []
        self.rows: list[Row] = []

    def resume(self, step: int, seconds: float, best: float | None, losses: list[float], rows: list[Row]) -> None:
        """Continue from the values() of an earlier start."""
        self._began -= seconds
        self.step, self.seconds, self.best, self.losses, self.rows = step, seconds, best, list(losses), list(rows)

    def values(self) -> dict[str, Any]:
        """The part that last.pt stores."""
        return {
            "step": self.step,
            "seconds": self.now(),
            "best": self.best,
            "losses": self.losses,
            "rows": self.rows,
        }

    def now(self) -> float:
        """Seconds that the run has taken until now, all starts together, by this process's clock."""
        return time.monotonic() - self._began

    @property
    def position(self) -> int:
        """How far the run is, out of length.total."""
        return self.length.position(self.step, self.seconds)

    @property
    def evaluation_is_due(self) -> bool:
        return self.length.is_due(self.step, self.seconds)

    def move_to(self, seconds: float) -> None:
        """Set the time that the run has taken; a run that has ended stays ended."""
        self.seconds = seconds
        self.ended = self.ended or self.position >= self.length.total

    def add_scores(self, scores: Scores, names: Sequence[str]) -> bool:
        """Record an evaluation after this step; returns whether its network is the best so far.

        names: of the classes. Where no pixel of val counts there is no score, and the last network is kept.
        """
        figures = (self.step, float(np.mean(self.losses)), scores.miou, scores.accuracy, *scores.iou)
        self.rows.append(dict(zip(columns(names), figures, strict=True)))
        self.losses.clear()
        scored = not math.isnan(scores.miou)
        best = self.best is None or (scored and scores.miou > self.best)
        if best:
            self.best = scores.miou if scored else None
        return best


def columns(names: Sequence[str]) -> list[str]:
    """Of a row for the classes of these names."""
    return ["step", "loss", "miou", "accuracy", *(f"iou_{name}" for name in names)]
