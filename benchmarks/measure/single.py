"""Measuring one model: warm up until the time has settled, then one frame after another, nothing dropped.

The garbage collector stays on, as behind a camera; it is emptied once before the first sample.
"""

from __future__ import annotations

import gc
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measure.inputs import Inputs
from edgeunet.board.fingerprint import fingerprint
from edgeunet.console import progress
from edgeunet.errors import UsageError
from edgeunet.frames import UInt8
from edgeunet.record import TOTAL, LatencyRecord
from edgeunet.runtime import Session
from edgeunet.runtime.subject import subject_of

if TYPE_CHECKING:
    from rich.progress import Progress

WINDOW_S = 0.1  # of warm-up calls whose median is compared with the windows before
WINDOW_CALLS = 3  # at least, where one call takes longer
SETTLED = 1.05  # ratio of the largest to the smallest of the last three medians
MAX_WARMUP_S = 5.0
REFRESH_NS = 500_000_000


@dataclass(frozen=True)
class MeasureOptions:
    """How long: until `seconds` have passed or `max_frames` are done, whichever is first."""

    seconds: float = 5.0
    max_frames: int | None = None

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise UsageError(f"the time to measure must be above 0 seconds, got {self.seconds:g}")
        if self.max_frames is not None and self.max_frames < 1:
            raise UsageError(f"at least 1 frame is measured, got {self.max_frames}")


@dataclass(frozen=True)
class Call:
    """One measured call of session.run, in ns of a monotonic clock."""

    start: int
    total: int
    stages: dict[str, int]


def warm_up(session: Session, frames: Sequence[UInt8], limit_s: float) -> tuple[int, bool]:
    """Call the session until the median time of a window has settled, or until a window ends after `limit_s`.

    Returns the number of calls and whether it settled.
    """
    calls = 0
    medians: list[float] = []
    begin = time.perf_counter()
    while time.perf_counter() - begin < limit_s:
        window: list[int] = []
        while len(window) < WINDOW_CALLS or sum(window) < WINDOW_S * 1e9:
            window.append(timed_call(session, frames[calls % len(frames)]).total)
            calls += 1
        medians.append(median(window))
        last = medians[-3:]
        if len(last) == 3 and max(last) <= SETTLED * min(last):
            return calls, True
    return calls, False


def timed_call(session: Session, frame: UInt8) -> Call:
    """One frame in, one mask out."""
    start = time.perf_counter_ns()
    result = session.run(frame)
    return Call(start, time.perf_counter_ns() - start, dict(result.times_ns))


def measure(session: Session, model: str | Path, inputs: Inputs, options: MeasureOptions) -> LatencyRecord:
    """Measure an opened session of the file `model`, with a progress bar on stderr.

    Ctrl-C ends it early and keeps what there is, marked as partial; before the first sample it
    stops the program as always.
    """
    calls: list[Call] = []
    interrupted = False
    bar = progress()
    bar.live.auto_refresh = False  # drawing from a thread of its own would take time from the samples
    with bar:
        task = bar.add_task("warming up", total=round(options.seconds), note="")
        warmup_frames, settled = warm_up(session, inputs.frames, MAX_WARMUP_S)
        bar.update(task, description="measuring")
        gc.collect()
        try:
            _run(session, inputs.frames, options, calls, bar)
        except KeyboardInterrupt:
            if not calls:
                raise
            interrupted = True
    stages = [TOTAL, *calls[0].stages]
    samples = {stage: [call.stages.get(stage, call.total) for call in calls] for stage in stages}
    return LatencyRecord(
        subject=subject_of(session, Path(model), commit=_commit()),
        machine=fingerprint(session.describe()),
        frames=inputs.name,
        mode="single",
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        warmup_frames=warmup_frames,
        warmup_settled=settled,
        partial=interrupted,
        starts_ms=np.array([call.start - calls[0].start for call in calls], np.float64) / 1e6,
        samples_ms={stage: np.array(times, np.float64) / 1e6 for stage, times in samples.items()},
    )


def _run(session: Session, frames: Sequence[UInt8], options: MeasureOptions, calls: list[Call], bar: Progress) -> None:
    """Append to `calls`, so that they outlive an interruption."""
    begin = drawn = time.perf_counter_ns()
    while time.perf_counter_ns() - begin < options.seconds * 1e9:
        calls.append(timed_call(session, frames[len(calls) % len(frames)]))
        if calls[-1].start - drawn > REFRESH_NS:
            drawn = calls[-1].start
            note = f"{len(calls)} frames, {calls[-1].total / 1e6:.1f} ms"
            bar.update(bar.task_ids[0], completed=(drawn - begin) / 1e9, note=note, refresh=True)
        if len(calls) == options.max_frames:
            break
    bar.update(bar.task_ids[0], completed=round(options.seconds), note=f"{len(calls)} frames", refresh=True)


def _commit() -> str:
    """Commit of the checkout that measures, with "-dirty" if files differ from it; "" where git does not tell."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
