"""What a comparison measures: rounds of short turns, in pairs of fresh processes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgeunet.latency.quantiles import Samples

NONE: Samples = np.empty(0)


@dataclass(frozen=True, eq=False)
class Round:
    """One turn of both arms, in random order, on the same processors. All in ms."""

    a_ms: Samples  # (calls,) judged
    b_ms: Samples  # (calls,) judged
    a_first_ms: Samples = field(default_factory=NONE.copy)  # the call right after the switch: recorded, not judged
    b_first_ms: Samples = field(default_factory=NONE.copy)
    reference_a_ms: Samples = field(default_factory=NONE.copy)  # the fixed workload, before A's turn
    reference_b_ms: Samples = field(default_factory=NONE.copy)


@dataclass(frozen=True)
class ProcessPair:
    """The rounds of one fresh process for each arm.

    foreign: share of the processors' time that other programs took meanwhile; NaN if unknown. throttled: the machine
    reported throttling.
    """

    rounds: tuple[Round, ...]
    foreign: float = math.nan
    throttled: bool = False


def rounds_of(pairs: Sequence[ProcessPair]) -> list[Round]:
    """All rounds, in the order of the pairs."""
    return [r for pair in pairs for r in pair.rounds]
