"""The results for each power mode: a latency record for each measured mode, and why the others were not measured."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeunet.board.power_modes import PowerMode
from edgeunet.latency.record import LatencyRecord
from edgeunet.utils.files import write_json

SCHEMA = "edgeunet.modes/1"


@dataclass(frozen=True, eq=False)
class MeasuredMode:
    """A mode that was measured. start_c: the hottest zone when it began; None without a temperature sensor."""

    mode: PowerMode
    start_c: float | None
    record: LatencyRecord


@dataclass(frozen=True)
class SkippedMode:
    """A mode that was not measured, and why."""

    mode: PowerMode
    reason: str


@dataclass(frozen=True, eq=False)
class Modes:
    """All modes of a board. found: the mode that was set before, and is restored.

    partial: the measurement was interrupted.
    """

    created: str  # UTC, ISO 8601
    command: str
    found: PowerMode
    partial: bool
    measured: tuple[MeasuredMode, ...]
    skipped: tuple[SkippedMode, ...]

    def to_dict(self) -> dict[str, Any]:
        """What is in the file; each record as `edgeunet bench run` writes it."""
        return {
            "schema": SCHEMA,
            "created": self.created,
            "command": self.command,
            "found": asdict(self.found),
            "partial": self.partial,
            "modes": [{**asdict(m.mode), "start_c": m.start_c, "record": m.record.to_dict()} for m in self.measured],
            "skipped": [{**asdict(s.mode), "reason": s.reason} for s in self.skipped],
        }

    def save(self, path: Path, *, force: bool) -> None:
        """Write it as JSON; raises OutputError if `path` exists and `force` is false."""
        write_json(path, self.to_dict(), force=force)
