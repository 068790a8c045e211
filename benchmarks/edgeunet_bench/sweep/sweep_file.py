"""What a sweep found: a row for each model, backend and number of threads, and what could not run.

A file holds the raw samples of every pass. It has quantiles too, for other tools; loading computes them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
from msgspec import Meta

from edgeunet.errors import RecordError
from edgeunet.latency.quantiles import Samples, Summary, summarize
from edgeunet.latency.record import LARGEST, Duration, require_times, require_utc
from edgeunet.utils.files import write_json
from edgeunet.utils.json_fields import Share, Side, Whole, read_json
from edgeunet.utils.redaction import shown_command_text

SCHEMA = "edgeunet.sweep/1"
_REMEDY = "sweep again with `edgeunet bench sweep`"
Threads: TypeAlias = Annotated[int, Meta(ge=1, le=10_000)]
Energy: TypeAlias = Annotated[float, Meta(ge=0.0, le=1e12)]  # mJ


@dataclass(frozen=True, eq=False)
class Row:
    """One combination that ran.

    model: the name of the file that was given, with as much of its folder as makes it unique.
    model_sha256, size_bytes: of the file that ran; of a checkpoint that is the ONNX file made from it.
    input_size: (height, width) in pixels. parameters: of a checkpoint's network; None for other files.
    backend, version: what ran it. threads: of the CPU; None on a GPU.
    passes_ms: a (n,) array of calls, end to end, for each turn in a process of its own. Nothing is left out.
    miou: 0 to 1, on that backend; None without labelled data. energy_mj: of a frame, gross, mean over the passes; None
    where nothing measures power. throttled: the machine throttled in one of the passes.
    network: the preset's name; "" for another network, or a file that does not say.
    """

    model: str
    model_sha256: str
    precision: str
    input_size: tuple[Side, Side]
    size_bytes: Whole
    parameters: Whole | None
    backend: str
    version: str
    threads: Threads | None
    passes_ms: tuple[Samples, ...]
    miou: Share | None = None
    energy_mj: Energy | None = None
    throttled: bool = False
    network: str = ""

    def __post_init__(self) -> None:
        if not self.passes_ms:
            raise RecordError(f"{self.model} has no passes: {_REMEDY}")
        for times in self.passes_ms:
            require_times(self.model, times, remedy=_REMEDY)

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
class SkippedRun:
    """A combination that did not run, and why. backend: "" and threads: None if it failed before that."""

    model: str
    input_size: tuple[Side, Side] | None
    backend: str
    threads: Threads | None
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
    budget_ms: Duration | None
    passes: Whole
    partial: bool
    rows: tuple[Row, ...]
    skipped: tuple[SkippedRun, ...]

    def __post_init__(self) -> None:
        require_utc(self.created, remedy=_REMEDY)
        object.__setattr__(self, "command", shown_command_text(self.command))
        if not self.rows:
            raise RecordError(f"a sweep needs a row, got none: {_REMEDY}")

    def to_dict(self) -> dict[str, Any]:
        """What is in the file."""
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
        what = "a sweep"
        return read_json(path, cls, error=RecordError, what=what, remedy=_REMEDY, schema=SCHEMA, largest=LARGEST)


def _row_to_dict(row: Row) -> dict[str, Any]:
    fields = {name: value for name, value in vars(row).items() if name in Row.__dataclass_fields__}
    return {**fields, "summary_ms": asdict(row.summary), "passes_ms": [times.tolist() for times in row.passes_ms]}
