"""What a sweep found: a row for each model, backend and number of threads, and what could not run.

A file holds the raw samples of every pass. Quantiles stand in it for whoever reads it with other tools; loading
computes them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgeunet.checked import moment
from edgeunet.errors import RecordError
from edgeunet.files import write_json
from edgeunet.quantiles import Samples, Summary, summarize
from edgeunet.record import read_versioned_json

SCHEMA = "edgeunet.sweep/1"
_REMEDY = "sweep again with `edgeunet bench sweep`"


@dataclass(frozen=True, eq=False)
class Row:
    """One combination that ran.

    model: the name of the file that was given, with as much of its folder as tells it from the others.
    model_sha256, size_bytes: of the file that ran; of a checkpoint that is the ONNX file made from it.
    input_size: (height, width) in pixels. parameters: of a checkpoint's network; None for other files.
    backend, version: what ran it. threads: of the CPU; None on a GPU.
    passes_ms: a (n,) array of calls, end to end, for each turn in a process of its own. Nothing is left out.
    miou: 0 to 1, on that backend; None without labelled data. energy_mj: of a frame, gross, mean over the passes; None
    where nothing measures power. throttled: in one of the passes the machine slowed itself down.
    network: the preset's name; "" for another network, or a file that does not tell.
    """

    model: str
    model_sha256: str
    precision: str
    input_size: tuple[int, int]
    size_bytes: int
    parameters: int | None
    backend: str
    version: str
    threads: int | None
    passes_ms: tuple[Samples, ...]
    miou: float | None = None
    energy_mj: float | None = None
    throttled: bool = False
    network: str = ""

    def __post_init__(self) -> None:
        if not self.passes_ms or any(times.ndim != 1 or not len(times) for times in self.passes_ms):
            raise RecordError(f"{self.model} has a pass without samples: {_REMEDY}")
        if any(not np.isfinite(times).all() or (times < 0).any() for times in self.passes_ms):
            raise RecordError(f"the samples of {self.model} hold a time that is negative or no number: {_REMEDY}")
        if self.miou is not None and not 0 <= self.miou <= 1:
            raise RecordError(f"the mIoU of {self.model} is 0 to 1, got {self.miou:g}: {_REMEDY}")

    @cached_property
    def summary(self) -> Summary:
        """Of all passes together, in ms."""
        return summarize(np.concatenate(self.passes_ms))

    @property
    def spread(self) -> float:
        """The slowest pass's median over the fastest one's: how much the machine or the process alone moves it."""
        medians = [float(np.median(times)) for times in self.passes_ms]
        return max(medians) / min(medians) if min(medians) > 0 else 1.0


@dataclass(frozen=True)
class Skipped:
    """A combination that did not run, and why. backend: "" and threads: None where it did not come to that."""

    model: str
    input_size: tuple[int, int] | None
    backend: str
    threads: int | None
    reason: str


@dataclass(frozen=True)
class Sweep:
    """One measurement of many combinations.

    machine: the fingerprint of the machine, without what is each row's own. frames: what the models were shown.
    labels: the labelled split behind the mIoU; "" without one. budget_ms: to mark; None if none was given.
    passes: turns of each combination that were planned. partial: the measurement was interrupted.
    """

    machine: Mapping[str, str]
    frames: str
    labels: str
    created: str  # UTC, ISO 8601
    command: str
    budget_ms: float | None
    passes: int
    partial: bool
    rows: tuple[Row, ...]
    skipped: tuple[Skipped, ...]

    def __post_init__(self) -> None:
        if not self.rows:
            raise RecordError(f"a sweep needs a row, got none: {_REMEDY}")

    def to_dict(self) -> dict[str, Any]:
        """What stands in the file."""
        return {
            "schema": SCHEMA,
            **{name: getattr(self, name) for name in ("frames", "labels", "created", "command", "budget_ms", "passes")},
            "partial": self.partial,
            "machine": dict(self.machine),
            "rows": [_row_to_dict(row) for row in self.rows],
            "skipped": [asdict(s) for s in self.skipped],
        }

    def save(self, path: str | Path, *, force: bool) -> None:
        """Write it as JSON; raises OutputError if `path` exists and `force` is false."""
        write_json(path, self.to_dict(), force=force)

    @classmethod
    def load(cls, path: str | Path) -> Sweep:
        """Read what save wrote; raises RecordError if it is missing, damaged or of another version."""
        value = read_versioned_json(path, SCHEMA, remedy=_REMEDY)
        try:
            budget_ms = value["budget_ms"]
            return cls(
                machine={str(k): str(v) for k, v in value["machine"].items()},
                frames=str(value["frames"]),
                labels=str(value["labels"]),
                created=moment(value["created"]),
                command=str(value["command"]),
                budget_ms=None if budget_ms is None else float(budget_ms),
                passes=int(value["passes"]),
                partial=bool(value["partial"]),
                rows=tuple(_row_from_dict(row) for row in value["rows"]),
                skipped=tuple(Skipped(**{**s, "input_size": _size(s["input_size"])}) for s in value["skipped"]),
            )
        except RecordError as error:
            raise RecordError(f"{path}: {error}") from error
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise RecordError(f"{path} is a damaged sweep ({type(error).__name__}: {error}): {_REMEDY}") from error


def _row_to_dict(row: Row) -> dict[str, Any]:
    fields = {name: value for name, value in vars(row).items() if name in Row.__dataclass_fields__}
    return {**fields, "summary_ms": asdict(row.summary), "passes_ms": [times.tolist() for times in row.passes_ms]}


def _row_from_dict(value: Mapping[str, Any]) -> Row:
    known = {"network": "", **value}  # sweeps were written without it
    fields = {name: known[name] for name in Row.__dataclass_fields__}
    size = _size(value["input_size"])
    return Row(**{**fields, "input_size": size, "passes_ms": tuple(np.asarray(t, float) for t in value["passes_ms"])})


def _size(value: Any) -> tuple[int, int] | None:
    if value is None:
        return None
    height, width = value
    return int(height), int(width)
