"""The options of a measurement: its mode, its length and its schedule."""

from __future__ import annotations

from dataclasses import dataclass

from edgeunet.errors import UsageError
from edgeunet.utils.limits import require_count, require_duration, require_in, require_seconds

LENGTH_S = {"single": 5.0, "paced": 10.0, "soak": 1800.0}
"""Modes that measure one process, and how long each does by default."""
COLD = "cold"
PROCESSES = 11
MAX_PROCESSES = 10_000
MAX_FPS = 1e6


@dataclass(frozen=True)
class MeasureOptions:
    """How to measure: until the time has passed or `max_frames` are done, whichever is first.

    mode: see LatencyRecord. seconds: by default those of the mode.
    fps: frames per second of the schedule; a soak without one is a closed loop.
    deadline_ms: by default the period of the schedule.
    processes: of the mode cold, which has no time and no frames to count; 11 by default.
    """

    mode: str = "single"
    seconds: float | None = None
    max_frames: int | None = None
    fps: float | None = None
    deadline_ms: float | None = None
    processes: int | None = None

    def __post_init__(self) -> None:
        if self.mode not in (*LENGTH_S, COLD):
            raise UsageError(f"unknown mode {self.mode!r}: choose one of {', '.join((*LENGTH_S, COLD))}")
        require_seconds("--seconds", self.seconds)
        require_in("--fps", self.fps, 1e-6, MAX_FPS)
        require_duration("--deadline-ms", self.deadline_ms)
        require_count("--max-frames", self.max_frames)
        require_count("--processes", self.processes, most=MAX_PROCESSES)
        if self.mode == "paced" and self.fps is None:
            raise UsageError("a paced measurement needs a frame rate: give --fps, such as --fps 30")
        if self.mode == "single" and self.fps is not None:
            raise UsageError("in the mode single each frame waits for the one before: with --fps give --mode paced")
        if self.mode == COLD and not (self.seconds is self.max_frames is self.fps is None):
            raise UsageError("the mode cold counts processes: give --processes instead of a time, frames or --fps")
        if self.mode != COLD and self.processes is not None:
            raise UsageError(f"--processes is for the mode cold, got the mode {self.mode}: leave it out")

    @property
    def length_s(self) -> float:
        """How long it lasts at most, after the warm-up; of every mode but cold."""
        return LENGTH_S[self.mode] if self.seconds is None else self.seconds

    @property
    def period_ms(self) -> float | None:
        """Between two frames of the schedule; None in a closed loop."""
        return None if self.fps is None else 1000 / self.fps
