"""How long a run lasts: so many steps, or so much time; the learning rate and the evaluations follow from it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Protocol

from edgeunet.errors import UsageError
from edgeunet.utils.limits import SECONDS

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_SPACING = 9  # times an evaluation's duration that are trained before the next: evaluations get a tenth at most


def seconds_from_text(text: str) -> float:
    """ "90m" → 5400.0; s, m or h. Raises UsageError for anything else."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smh])", text.strip())
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not 0 < seconds <= SECONDS:
        raise UsageError(f"--time-budget is a time such as 600s, 90m or 2h, a year at most, got {text[:40]!r}")
    return seconds


class Length(Protocol):
    """Where in the run a step is, on a scale from 0 to `total`, and what is due there."""

    @property
    def total(self) -> int: ...

    def position(self, step: int, seconds: float) -> int:
        """How far the run is after `step` steps and `seconds` seconds; its end is at `total`."""
        ...

    def is_due(self, step: int, seconds: float) -> bool:
        """Whether the network is to be evaluated there."""
        ...

    def evaluated(self, seconds: float, took_s: float) -> None:
        """Hear that an evaluation has ended after `seconds` seconds of the run, and how long it took."""
        ...


@dataclass(frozen=True)
class Steps:
    """A run of `total` steps with so many evaluations, the last one at its end."""

    total: int
    evaluations: int

    def position(self, step: int, _: float) -> int:
        return step

    def is_due(self, step: int, _: float) -> bool:
        return step % math.ceil(self.total / self.evaluations) == 0 or step >= self.total

    def evaluated(self, seconds: float, took_s: float) -> None:
        """Nothing to learn from it."""


class TimeBudget:
    """A run of `budget_s` seconds, evaluations and saving included; positions are in milliseconds.

    Training ends as early as the last evaluation needs, by how long the one before took: at first evaluation_s.
    Evaluations that take long are made less often than the recipe says.
    """

    def __init__(self, budget_s: float, evaluations: int, evaluation_s: float, seconds: float = 0.0) -> None:
        """seconds: how much of the budget an interrupted run has had already."""
        if 2 * evaluation_s > budget_s:
            raise UsageError(
                f"--time-budget {budget_s:g}s is too short: evaluating the val frames once takes about "
                f"{evaluation_s:.0f} s here; give at least {math.ceil(10 * evaluation_s)}s"
            )
        self._budget_s, self._pause_s = budget_s, budget_s / evaluations
        self.evaluated(seconds, evaluation_s)

    @property
    def total(self) -> int:
        return int(1000 * (self._budget_s - self._evaluation_s))

    def position(self, _: int, seconds: float) -> int:
        return int(1000 * seconds)

    def is_due(self, step: int, seconds: float) -> bool:
        return seconds >= self._next_s or self.position(step, seconds) >= self.total

    def evaluated(self, seconds: float, took_s: float) -> None:
        self._evaluation_s = took_s
        self._next_s = seconds + max(self._pause_s, _SPACING * took_s)
