"""The file of trials: what was declared in its first line, then a line for each trial as it ends."""

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
_CODE = [Path(edgeunet_bench.__file__).parent / "guard", Path(__file__).parent]


@dataclass(frozen=True)
class TrialPlan:
    """What was declared before the first trial.

    subject: what both arms are. machine: the fingerprint of board.fingerprint. code: hash of the guard's files.
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
        remedy = "continue where it was started, or give another --output (--force replaces this one)"
        mine, theirs = self.machine, other.machine
        if names := [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]:
            raise MismatchError(f"{path} holds trials made under other conditions ({', '.join(names)}): {remedy}")
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

    `trials` are those that ended so far. Raises MismatchError if those of an existing file were made under other
    conditions, and RecordError if the file is damaged.
    """

    def __init__(self, path: Path, plan: TrialPlan, *, force: bool = False) -> None:
        self.path, self.plan = path, plan
        self.trials: list[Trial] = []
        if path.exists() and not force:
            self.plan, self.trials = _load(path)
            self.plan.require_same(plan, path)
        lines = [{"schema": SCHEMA, **asdict(self.plan)}, *map(asdict, self.trials)]
        with replacing(path, force=True) as temporary:  # without an incomplete line that a power cut left
            temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    def append(self, trial: Trial) -> None:
        """Keep a trial; it is on the disk when this returns."""
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(trial)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.trials.append(trial)


def declared_in(path: Path) -> Mapping[str, int] | None:
    """The plan in an existing file; None if there is none."""
    return _load(path)[0].declared if path.exists() else None


def code_hash() -> str:
    """SHA-256 of the guard's files and of those that qualify it: everything that affects a verdict."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in _CODE for path in folder.rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _load(path: Path) -> tuple[TrialPlan, list[Trial]]:
    try:
        first, *lines = path.read_bytes().split(b"\n")[:-1] or [b""]  # an incomplete line is no trial
    except OSError as error:
        raise RecordError(f"{path} cannot be read ({system_reason(error)}): {REMEDY}") from error
    read = partial(from_json, error=RecordError, remedy=REMEDY)
    plan = read(first, TrialPlan, origin=f"{path}, line 1,", what="the plan of trials", schema=SCHEMA)
    trials = [read(line, Trial, origin=f"{path}, line {n},", what="a trial") for n, line in enumerate(lines, 2)]
    return plan, trials
