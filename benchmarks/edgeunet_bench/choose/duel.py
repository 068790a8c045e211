"""Two contenders against each other, by the guard's measuring and its bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeunet.errors import CommandError
from edgeunet.latency.quantiles import Summary, summarize
from edgeunet_bench.choose.contender import Contender
from edgeunet_bench.guard.judging.judgement import INTERLEAVED, MIN_PAIRS, Judgement, Limits
from edgeunet_bench.guard.judging.samples import rounds_of
from edgeunet_bench.guard.running.arms import model_arm
from edgeunet_bench.guard.running.interleave import CompareOptions, interleave
from edgeunet_bench.guard.running.model_arm import ModelOptions

if TYPE_CHECKING:
    from rich.progress import Progress


LIMITS = Limits(INTERLEAVED.regressed_above, INTERLEAVED.regressed_above, math.inf, tail_above=1.0)
"""One of two is surely faster or surely not: nothing else is asked, so a comparison ends as soon as it is clear."""


@dataclass(frozen=True)
class Duel:
    """ratio, low, high: how many times as fast as the best so far the challenger is, with bounds.

    challenger, best: the times of their calls, in ms. doubt: why the bounds prove nothing; "" if they do.
    """

    ratio: float
    low: float
    high: float
    challenger: Summary
    best: Summary
    doubt: str

    @property
    def won(self) -> bool:
        """Whether the challenger is surely faster, by the guard's limit.

        What the guard calls invalid for the load of other programs counts: both had their share of it.
        """
        return not self.doubt and self.low > LIMITS.regressed_above


def fought(challenger: Contender, best: Contender, data: Path | None, seconds: float, bar: Progress) -> Duel:
    """Measure both in turns, in fresh processes, for `seconds` at most.

    data: a dataset or a video to take frames from; the package's own if None. Raises what opening a model raises, and
    KeyboardInterrupt.
    """
    arms = [model_arm(ModelOptions(str(c.path), str(data) if data else None)) for c in (challenger, best)]
    measured = interleave(arms[0], arms[1], CompareOptions(seconds), bar, (LIMITS, LIMITS))
    if measured.partial:
        raise KeyboardInterrupt
    seen, rounds = measured.looks[-1], rounds_of(measured.pairs)
    if not rounds or seen.ratio != seen.ratio:
        raise CommandError(seen.reason)
    times = [summarize(np.concatenate([getattr(r, arm) for r in rounds])) for arm in ("a_ms", "b_ms")]
    few = f"only {seen.pairs} of the {MIN_PAIRS} runs of each that it takes fitted into the time"
    return Duel(seen.ratio, *bounds(seen), times[0], times[1], few if seen.pairs < MIN_PAIRS else "")


def bounds(seen: Judgement) -> tuple[float, float]:
    """Of how many times as fast A is as B: the guard's one-sided 99 % bounds, and what the machine may have added.

    The fixed workload tells by how much the machine may have been slower in the turns of one of the two: the bounds are
    that much wider. The guard, which looks for 1 %, refuses such a run; half as fast again is seen all the same.
    """
    return seen.low / max(1.0, seen.control_high), seen.high / min(1.0, seen.control_low)
