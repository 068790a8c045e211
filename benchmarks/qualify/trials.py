"""The file of trials: what was declared in its first line, then a line for each trial as it ends."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgeunet.errors import MismatchError, RecordError
from edgeunet.files import replacing, writing

SCHEMA = "edgeunet.trials/1"
_CODE = [Path(__file__).parents[1] / folder for folder in ("guard", "qualify")]


@dataclass(frozen=True)
class Plan:
    """What was declared before the first trial.

    subject: what both arms are. machine: the fingerprint of board.fingerprint. code: hash of the guard's files.
    declared: trials by the name of their condition. command: how it was begun.
    """

    workload: str
    subject: Mapping[str, str]
    machine: Mapping[str, str]
    code: str
    declared: Mapping[str, int]
    command: str

    def require_same(self, other: Plan, path: Path) -> None:
        """Raise MismatchError if trials of the other plan would not be of the same kind as those of this one."""
        remedy = "go on where it was begun, or give another --output (--force replaces this one)"
        mine, theirs = self.machine, other.machine
        if names := [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]:
            raise MismatchError(f"{path} holds trials made under other conditions ({', '.join(names)}): {remedy}")
        for name in ("subject", "code", "declared"):
            if getattr(self, name) != getattr(other, name):
                raise MismatchError(f"{path} holds trials of another {name} than this run's: {remedy}")


@dataclass(frozen=True)
class Trial:
    """One comparison whose truth is known. NaN where the guard computed nothing.

    number: also the seed. sampled_s: the sum of all samples, which is the measuring time; wall_s: with the starts of
    the processes and the judging. rules: whether each peer's rule called B slower. ended: UTC, ISO 8601.
    """

    condition: str
    number: int
    verdict: str
    reason: str
    sampled_s: float
    wall_s: float
    pairs: int
    ended: str
    ratio: float = math.nan
    low: float = math.nan
    high: float = math.nan
    tail_p: float = math.nan
    foreign: float = math.nan
    rules: Mapping[str, bool] = field(default_factory=dict)


class TrialFile:
    """Trials on disk; a trial that was interrupted is not in it.

    `trials` are those that ended so far. Raises MismatchError if those of an existing file were made under other
    conditions, and RecordError if the file is damaged.
    """

    def __init__(self, path: Path, plan: Plan, *, force: bool = False) -> None:
        self.path, self.plan = path, plan
        self.trials: list[Trial] = []
        if path.exists() and not force:
            self.plan, self.trials = _load(path)
            self.plan.require_same(plan, path)
        lines = [{"schema": SCHEMA, **asdict(self.plan)}, *(_to_dict(trial) for trial in self.trials)]
        with replacing(path, force=True) as temporary:  # without the half of a line that a power cut left
            temporary.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    def append(self, trial: Trial) -> None:
        """Keep a trial; it is on the disk when this returns."""
        with writing(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(_to_dict(trial)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.trials.append(trial)


def declared_in(path: Path) -> Mapping[str, int] | None:
    """What the trials of an existing file were declared to be; None if there is none."""
    return _load(path)[0].declared if path.exists() else None


def code_hash() -> str:
    """SHA-256 of the guard's files and of those that qualify it: what decides about a verdict."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in _CODE for path in folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _to_dict(trial: Trial) -> dict[str, object]:
    return {name: None if value != value else value for name, value in asdict(trial).items()}  # NaN is not JSON


def _load(path: Path) -> tuple[Plan, list[Trial]]:
    remedy = "give another --output, or --force to begin anew"
    first, *lines = path.read_text(encoding="utf-8").split("\n")[:-1] or [""]  # what lacks its end is no trial
    try:
        value = json.loads(first)
        if (schema := value.pop("schema")) != SCHEMA:
            raise RecordError(f"{path} has schema {schema}, expected {SCHEMA}: {remedy}")
        trials: list[dict[str, Any]] = [
            {k: math.nan if v is None else v for k, v in json.loads(line).items()} for line in lines
        ]
        return Plan(**value), [Trial(**trial) for trial in trials]
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise RecordError(f"{path} is no file of trials, or damaged ({error}): {remedy}") from error
