"""What `edgeunet bench qualify` writes: for each condition, what was declared before and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeunet.checked import moment
from edgeunet.errors import RecordError
from edgeunet.files import write_json
from edgeunet.record import read_versioned_json

SCHEMA = "edgeunet.qualification/1"
REMEDY = "measure again with `edgeunet bench qualify`"


@dataclass(frozen=True)
class Condition:
    """Trials of one kind, whose right verdict is known beforehand.

    workload: what was compared. name: what was done to B: "A/A", "+5 %", "tail", ...
    wanted: the right verdict; `needed` of the `declared` trials must end with it.
    verdicts: how often each came out so far. seconds: measuring time of each trial so far.
    rules: how often the rule of each peer called B slower on the same trials.
    """

    workload: str
    name: str
    wanted: str
    declared: int
    needed: int
    verdicts: Mapping[str, int]
    seconds: tuple[float, ...]
    rules: Mapping[str, int]

    def __post_init__(self) -> None:
        counts = (*self.verdicts.values(), *self.rules.values())
        if not 0 <= self.needed <= self.declared or min(counts, default=0) < 0 or max(counts, default=0) > self.done:
            raise RecordError(
                f"condition {self.name} of {self.workload} counts {self.needed} needed of {self.declared} trials, "
                f"with {dict(self.verdicts)} and {dict(self.rules)}, which do not go together: {REMEDY}"
            )
        if len(self.seconds) != self.done:
            raise RecordError(
                f"condition {self.name} of {self.workload} has {len(self.seconds)} times for {self.done} trials: "
                f"{REMEDY}"
            )

    @property
    def done(self) -> int:
        """Trials that have ended, of `declared`."""
        return sum(self.verdicts.values())

    @property
    def right(self) -> int:
        """Trials that ended as wanted."""
        return self.verdicts.get(self.wanted, 0)

    @property
    def reached(self) -> bool | None:
        """Whether as many as needed came out as wanted; None while that is open."""
        if self.right >= self.needed:
            return True
        return None if self.right + self.declared - self.done >= self.needed else False


@dataclass(frozen=True)
class Qualification:
    """All conditions, on one machine. created: UTC, ISO 8601, of the last trial."""

    machine: Mapping[str, str]
    created: str
    command: str
    conditions: tuple[Condition, ...]

    def save(self, path: str | Path, *, force: bool) -> None:
        """Write it as JSON; raises OutputError if `path` exists and `force` is false."""
        write_json(path, {"schema": SCHEMA, **asdict(self)}, force=force)

    @classmethod
    def load(cls, path: str | Path) -> Qualification:
        """Read what save wrote; raises RecordError if it is missing, damaged or of another version."""
        value = read_versioned_json(path, SCHEMA, remedy=REMEDY)
        try:
            return cls(
                machine={str(k): str(v) for k, v in value["machine"].items()},
                created=moment(value["created"]),
                command=str(value["command"]),
                conditions=tuple(_condition(item) for item in value["conditions"]),
            )
        except RecordError as error:
            raise RecordError(f"{path}: {error}") from error
        except KeyError as error:
            raise RecordError(f"{path} lacks the field {error}: {REMEDY}") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise RecordError(f"{path} is a damaged qualification ({error}): {REMEDY}") from error


def _condition(value: dict[str, Any]) -> Condition:
    return Condition(
        workload=str(value["workload"]),
        name=str(value["name"]),
        wanted=str(value["wanted"]),
        declared=int(value["declared"]),
        needed=int(value["needed"]),
        verdicts={str(k): int(v) for k, v in value["verdicts"].items()},
        seconds=tuple(float(s) for s in value["seconds"]),
        rules={str(k): int(v) for k, v in value["rules"].items()},
    )
