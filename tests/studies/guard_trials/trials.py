"""Plans and trials for tests."""

from __future__ import annotations

from typing import Any

from benchmarks.studies.guard_trials.conditions import KINDS
from benchmarks.studies.guard_trials.trial_file import Trial, TrialPlan

MACHINE = {"cpu": "Some CPU", "governor": "performance"}
PLAN = TrialPlan(
    "a loop",
    {"work": "a loop"},
    MACHINE,
    "c0de",
    {kind.name: 4 for kind in KINDS},
    "python -m benchmarks.studies.guard_trials",
)


def trial(condition: str, number: int, verdict: str, **changes: Any) -> Trial:
    """One that took 3 s of measuring."""
    values = {
        "reason": "",
        "sampled_s": 3.0,
        "wall_s": 6.0,
        "pairs": 9,
        "ended": f"2026-01-02T03:{number // 60:02d}:{number % 60:02d}+00:00",
    }
    return Trial(**{"condition": condition, "number": number, "verdict": verdict, **values, **changes})
