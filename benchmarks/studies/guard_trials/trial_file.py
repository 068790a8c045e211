"""The file of trials: for each start a line with what was declared and on which machine, then a line for each trial.

A trial compares within one machine, so that trials of several machines may stand in one file; parts of the same kind
that were measured at the same time go into one by `cat`.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

from msgspec import Meta

import edgeunet_bench
from benchmarks.studies.guard_trials.conditions import KINDS
from edgeunet.errors import MismatchError, RecordError, system_reason
from edgeunet.latency.record import require_utc
from edgeunet.utils.files import replacing, writing
from edgeunet.utils.json_fields import NotNegative, Number, Whole, from_json
from edgeunet.utils.redaction import shown_command_text

SCHEMA = "edgeunet.trials/1"
REMEDY = "give another --output, or --force to start again"
_GUARD, _HERE = Path(edgeunet_bench.__file__).parent / "guard", Path(__file__).parent
_CODE = [
    *(_GUARD / room for room in ("judging", "running")),
    *(_HERE / f"{name}.py" for name in ("arm", "conditions", "disturbance", "rules")),
]


@dataclass(frozen=True)
class TrialPlan:
    """What was declared before the first trial of a start.

    subject: what both arms are. machine: the fingerprint of board.fingerprint. code: hash of what decides a verdict.
    declared: trials by the name of their condition. command: that started it.
    """

    workload: str
    subject: Mapping[str, str]
    machine: Mapping[str, str]
    code: str
    declared: Mapping[str, Annotated[int, Meta(ge=1, lt=2**53)]]
    command: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "command", shown_command_text(self.command))
        if missing := [kind.name for kind in KINDS if kind.name not in self.declared]:
            raise RecordError(f"no number of trials is declared for {missing[0]}: {REMEDY}")

    def require_same(self, other: TrialPlan, path: Path) -> None:
        """Raise MismatchError if trials of the other plan would not be of the same kind as those of this one."""
        remedy = "give another --output (--force replaces this one)"
        for name in ("subject", "code", "declared"):
            if getattr(self, name) != getattr(other, name):
                raise MismatchError(f"{path} holds trials of another {name} than this run's: {remedy}")


@dataclass(frozen=True)
class Trial:
    """One comparison whose truth is known. None where the guard computed nothing.

    number: also the seed. sampled_s: the sum of all samples, which is the measuring time; wall_s: with the starts of
    the processes and the judging. rules: whether each peer's rule called B slower. ended: UTC, ISO 8601.
    """

    condition: str
    number: Whole
    verdict: str
    reason: str
    sampled_s: NotNegative
    wall_s: NotNegative
    pairs: Whole
    ended: str
    ratio: Number | None = None
    low: Number | None = None
    high: Number | None = None
    tail_p: Number | None = None
    foreign: Number | None = None
    rules: Mapping[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_utc(self.ended, remedy=REMEDY)


class TrialFile:
    """Trials on disk; a trial that was interrupted is not in it.

    parts: of each start, its plan and the trials that ended; the last is this one. Raises MismatchError if an existing
    file holds trials of another subject, code or number, and RecordError if it is damaged.
    """

    def __init__(self, path: Path, plan: TrialPlan, *, force: bool = False) -> None:
        self.path, self.plan = path, plan
        earlier = _load(path) if path.exists() and not force else []
        for other, _ in earlier:
            other.require_same(plan, path)
        self.parts: list[tuple[TrialPlan, list[Trial]]] = [*(part for part in earlier if part[1]), (plan, [])]
        lines = [
            line for own, trials in self.parts for line in ({"schema": SCHEMA, **asdict(own)}, *map(asdict, trials))
        ]
        with replacing(path, force=True) as temporary:  # without an incomplete line that a power cut left
            temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    @property
    def trials(self) -> list[Trial]:
        """Those that ended so far."""
        return [trial for _, trials in self.parts for trial in trials]

    def append(self, trial: Trial) -> None:
        """Keep a trial; it is on the disk when this returns."""
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(trial)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.parts[-1][1].append(trial)


def declared_in(path: Path) -> Mapping[str, int] | None:
    """The plan in an existing file; None if there is none."""
    return _load(path)[0][0].declared if path.exists() else None


def code_hash() -> str:
    """SHA-256 of the files that decide a verdict: the guard's judging and running, the trials' arms and conditions."""
    digest = hashlib.sha256()
    for path in sorted(path for place in _CODE for path in ([place] if place.is_file() else place.rglob("*.py"))):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _load(path: Path) -> list[tuple[TrialPlan, list[Trial]]]:
    """The parts, at least one."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1] or [b""]  # an incomplete line is no trial
    except OSError as error:
        raise RecordError(f"{path} cannot be read ({system_reason(error)}): {REMEDY}") from error
    read = partial(from_json, error=RecordError, remedy=REMEDY)
    parts: list[tuple[TrialPlan, list[Trial]]] = []
    for number, line in enumerate(lines, 1):
        origin = f"{path}, line {number},"
        if not parts or line.startswith(b'{"schema"'):
            parts.append((read(line, TrialPlan, origin=origin, what="the plan of trials", schema=SCHEMA), []))
        else:
            parts[-1][1].append(read(line, Trial, origin=origin, what="a trial"))
    return parts
