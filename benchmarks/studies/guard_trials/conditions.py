"""The conditions under which the guard is measured, declared before anything is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from benchmarks.studies.guard_trials.arm import NOTHING, Injection
from edgeunet_bench.guard.judging.judgement import Verdict
from edgeunet_bench.guard.running.interleave import CompareOptions


@dataclass(frozen=True)
class Kind:
    """Trials of one kind. A and B are the same, except for the change that is injected into B.

    declared: number of trials; share: of them, that must end as wanted, within `within_s` of measuring.
    seconds: what a comparison is given.
    disturbed: another program takes a processor in the middle.
    """

    name: str
    wanted: Verdict
    declared: int
    share: float
    injection: Injection = NOTHING
    disturbed: bool = False
    within_s: float = math.inf
    seconds: float = CompareOptions.seconds

    def needed(self, declared: int) -> int:
        """How many of the declared trials must end as wanted."""
        return math.ceil(self.share * declared - 1e-9)


AA = Kind("A/A", Verdict.PASS, 299, 0.95)
KINDS = (
    AA,
    Kind("+5 %", Verdict.REGRESSED, 200, 0.98, Injection(slower=1.05), within_s=10.0),
    Kind("+3 %", Verdict.REGRESSED, 200, 0.98, Injection(slower=1.03), within_s=60.0),
    Kind("tail", Verdict.REGRESSED, 200, 0.98, Injection(tail=0.02), within_s=60.0),
    Kind("disturbance", Verdict.INVALID, 200, 1.0, disturbed=True),
)


def kinds_of(*, model: bool) -> tuple[Kind, ...]:
    """Those of KINDS; of a model, whose calls are slow, a small tail needs ten minutes."""
    return tuple(replace(k, seconds=600.0, within_s=600.0) if model and k.name == "tail" else k for k in KINDS)
