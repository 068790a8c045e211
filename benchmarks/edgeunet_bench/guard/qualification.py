"""A qualification of the guard: for each condition, what was declared before, and the results."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from edgeunet.errors import RecordError
from edgeunet.latency.record import require_utc
from edgeunet.utils.files import write_json
from edgeunet.utils.json_fields import Whole, from_json, read_json
from edgeunet.utils.redaction import shown_command_text

SCHEMA = "edgeunet.qualification/2"
OLDER = "edgeunet.qualification/1"
REMEDY = "measure again with `python -m benchmarks.studies.guard_trials`"


@dataclass(frozen=True)
class Condition:
    """Trials of one kind, whose right verdict is known beforehand.

    workload: what was compared. name: what was done to B: "A/A", "+5 %", "tail", ...
    wanted: the right verdict; `needed` of the `declared` trials must end with it.
    verdicts: for each machine, how often each came out so far. seconds: measuring time of each trial so far.
    rules: how often the rule of each peer called B slower on the same trials.
    """

    workload: str
    name: str
    wanted: str
    declared: Whole
    needed: Whole
    verdicts: tuple[Mapping[str, Whole], ...]
    seconds: tuple[Annotated[float, Meta(ge=0.0, le=1e12)], ...]
    rules: Mapping[str, Whole]

    def __post_init__(self) -> None:
        counts = (*self.total.values(), *self.rules.values())
        if not 0 <= self.needed <= self.declared or min(counts, default=0) < 0 or max(counts, default=0) > self.done:
            raise RecordError(
                f"condition {self.name} of {self.workload} counts {self.needed} needed of {self.declared} trials, "
                f"with {dict(self.total)} and {dict(self.rules)}, which contradict each other: {REMEDY}"
            )
        if len(self.seconds) != self.done:
            raise RecordError(
                f"condition {self.name} of {self.workload} has {len(self.seconds)} times for {self.done} trials: "
                f"{REMEDY}"
            )

    @property
    def total(self) -> Counter[str]:
        """How often each verdict came out so far."""
        return sum(map(Counter, self.verdicts), Counter())

    @property
    def done(self) -> int:
        """Trials that have ended, of `declared`."""
        return self.total.total()

    @property
    def right(self) -> int:
        """Trials that ended as wanted."""
        return self.total[self.wanted]

    @property
    def reached(self) -> bool | None:
        """Whether as many as needed came out as wanted; None while that is open."""
        if self.right >= self.needed:
            return True
        return None if self.right + self.declared - self.done >= self.needed else False


@dataclass(frozen=True)
class Qualification:
    """All conditions. machines: fingerprints of board.fingerprint. created: UTC, ISO 8601, of the last trial."""

    machines: tuple[Mapping[str, str], ...]
    created: str
    command: str
    conditions: tuple[Condition, ...]

    def __post_init__(self) -> None:
        require_utc(self.created, remedy=REMEDY)
        object.__setattr__(self, "command", shown_command_text(self.command))
        if not self.conditions:
            raise RecordError(f"a qualification has conditions, got none: {REMEDY}")
        if any(len(condition.verdicts) != len(self.machines) for condition in self.conditions):
            raise RecordError(f"a qualification counts the verdicts of each condition by machine: {REMEDY}")

    def save(self, path: str | Path, *, force: bool) -> None:
        """Write it as JSON; raises OutputError if `path` exists and `force` is false."""
        write_json(path, {"schema": SCHEMA, **asdict(self)}, force=force)

    @classmethod
    def load(cls, path: str | Path) -> Qualification:
        """Read what save wrote, also of the version that had one machine.

        Raises RecordError if it is missing, damaged or of another version.
        """
        how: dict[str, Any] = {"error": RecordError, "what": "a qualification", "remedy": REMEDY}
        if read_json(path, dict[str, Any], schema=(SCHEMA, OLDER), **how)["schema"] == SCHEMA:
            return read_json(path, cls, **how)
        old = read_json(path, _OfOneMachine, **how)
        return from_json(json.dumps(old.to_dict()), cls, origin=str(path), **how)


@dataclass(frozen=True)
class _OfOneMachine:
    """A file of OLDER."""

    machine: Mapping[str, str]
    created: str
    command: str
    conditions: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """As save writes it."""
        conditions = [{**condition, "verdicts": [condition.get("verdicts")]} for condition in self.conditions]
        return {**vars(self), "machines": [self.machine], "conditions": conditions}
