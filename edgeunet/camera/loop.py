"""The camera loop: reading, inference and drawing, each in a thread of its own.

    source ──Channel──▶ session ──Channel──▶ overlay, sinks
    reader              inferrer             drawer

OpenCV, ONNX Runtime and PyAV let go of Python's lock while they work, so the three overlap.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeunet.camera.channel import Channel
from edgeunet.camera.frame import Frame, Samples
from edgeunet.camera.overlay import OPACITY, Overlay
from edgeunet.camera.sources import Source
from edgeunet.errors import SourceError
from edgeunet.frames import UInt8
from edgeunet.runtime.session import Result, Session

RECENT = 30  # frames that the shown rate and latency are taken from
TEXT_EVERY_NS = 500_000_000  # numbers that change with every frame can't be read
DEFAULT_FPS = 30.0  # of a file that does not say
STUCK_S = 0.5  # how long a camera that hangs in its driver may hold up the end


class Sink(Protocol):
    """Where drawn frames go."""

    def write(self, pixels: UInt8, time_s: float) -> None:
        """Take a frame, uint8 [h, w, 3] BGR, `time_s` seconds after the first; nobody changes it any more."""


@dataclass(frozen=True)
class LoopStats:
    """What the loop has done so far.

    read: frames the source gave. published: masks made. dropped: frames of a live source that a newer one
    replaced before inference. The rest was on its way when the loop was stopped.
    stages_ns: for each stage the latest durations in nanoseconds, int64 [n]: "read", the session's own
    ("fit", "infer"), "draw", "write", and "latency" from capture to published mask.
    """

    read: int
    published: int
    dropped: int
    wall_s: float
    stages_ns: Mapping[str, NDArray[np.int64]]
    recent_fps: float  # masks a second over the latest frames

    @property
    def fps(self) -> float:
        """Masks a second over the whole time."""
        return self.published / self.wall_s if self.wall_s > 0 else 0.0


class Loop:
    """Runs a source through a session into sinks, once.

    A file: every frame, in order. A live source: only the newest frame, and one that waits is replaced.
    Frames are drawn only if there is a sink. Each sink is entered and left in the drawing thread, and
    left with an exception if any part of the loop fails, so that a half-written video does not stay.
    """

    def __init__(
        self,
        session: Session,
        source: Source,
        sinks: Sequence[AbstractContextManager[Sink]] = (),
        *,
        opacity: float = OPACITY,
        max_frames: int | None = None,
    ) -> None:
        self._session = session
        self._source = source
        self._sinks = sinks
        self._overlay = Overlay(session.spec, opacity)
        self._max_frames = max_frames
        self._frames: Channel[Frame] = Channel(newest=source.live)
        self._results: Channel[tuple[Frame, Result]] = Channel()
        self._stages: dict[str, Samples] = {}
        self._intervals = Samples(RECENT)
        self._read = self._published = 0
        self._error: BaseException | None = None
        self._lost: SourceError | None = None
        self._failing = threading.Lock()
        self._begin_ns = self._end_ns = self._first_ns = 0
        self._reader, self._inferrer, self._drawer = (
            threading.Thread(target=self._guard, args=(work,), name=f"edgeunet-{work.__name__}", daemon=True)
            for work in (self._read_frames, self._infer, self._draw)
        )

    def start(self) -> None:
        """Start the threads."""
        self._begin_ns = time.perf_counter_ns()
        for thread in (self._reader, self._inferrer, self._drawer):
            thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end; False if it has not come within `timeout_s`."""
        self._drawer.join(timeout_s)
        return not self._drawer.is_alive()

    def stop(self) -> None:
        """End after the frame that is in the session; every mask that was made is still drawn, and the video kept."""
        self._frames.close(discard=True)

    def fail(self, error: BaseException) -> None:
        """End at once and keep nothing; finish() raises the first error given."""
        with self._failing:
            self._error = self._error or error
        self._frames.close(discard=True)
        self._results.close(discard=True)

    def finish(self) -> LoopStats:
        """Wait for all threads; raises what went wrong in any of them."""
        self._drawer.join()
        self._inferrer.join()
        # The drawer ends last but where the loop is stopped, and only a live source can hang.
        self._reader.join(STUCK_S if self._source.live else None)
        if (error := self._error or self._lost) is not None:
            raise error
        return self.stats()

    def stats(self) -> LoopStats:
        """What has been done so far; may be called from any thread while it runs."""
        end = self._end_ns or time.perf_counter_ns()
        return LoopStats(
            self._read,
            self._published,
            self._frames.dropped,
            (end - self._begin_ns) / 1e9,
            {name: samples.latest() for name, samples in list(self._stages.items())},
            self._recent_fps(),
        )

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - finish() raises it in the caller's thread
            self.fail(error)

    def _read_frames(self) -> None:
        with self._source as source:
            while self._frames.wait_for_room():  # read late: a frame of a file that waits here grows old
                if not source.live and self._read == self._max_frames:
                    break
                try:
                    frame = source.read()
                except SourceError as error:
                    if not source.live:
                        raise
                    self._lost = error  # a camera that was unplugged: raised at the end, but the video is kept
                    break
                if frame is None:
                    break
                self._time("read", frame.read_ns)
                self._read += 1
                self._frames.put(frame)
        self._frames.close()

    def _infer(self) -> None:
        capacity = 1 if self._source.live else self._session.capacity  # a camera's frame must not wait for the next
        waiting: deque[Frame] = deque()
        before = self._begin_ns
        while (newest := self._frames.get()) is not None or waiting:
            if newest is not None:
                self._session.submit(newest.pixels)
                waiting.append(newest)
                if len(waiting) < capacity:
                    continue
            frame, result = waiting.popleft(), self._session.result()
            now = time.perf_counter_ns()
            for stage, duration in result.times_ns.items():
                self._time(stage, duration)
            self._time("latency", now - frame.captured_ns)
            self._intervals.add(now - before)
            before = now
            self._published += 1
            self._results.put((frame, result))
            if self._published == self._max_frames:
                self._frames.close(discard=True)
        self._results.close()

    def _draw(self) -> None:
        with ExitStack() as stack:
            sinks = [stack.enter_context(sink) for sink in self._sinks]
            text: tuple[str, ...] = ()
            text_ns = 0
            while (item := self._results.get()) is not None:
                if not sinks:
                    continue
                frame, result = item
                begin = time.perf_counter_ns()
                if begin - text_ns >= TEXT_EVERY_NS:
                    text, text_ns = self._text(), begin
                picture = self._overlay.draw(frame.pixels, result, text)
                drawn = time.perf_counter_ns()
                self._time("draw", drawn - begin)
                time_s = self._time_of(frame)
                for sink in sinks:
                    sink.write(picture, time_s)
                self._time("write", time.perf_counter_ns() - drawn)
            if self._error is not None:
                raise self._error
        self._end_ns = time.perf_counter_ns()

    def _time_of(self, frame: Frame) -> float:
        """Seconds from the first frame to this one: by the clock for a camera, by its number for a file."""
        if not self._source.live:
            return frame.number / (self._source.fps or DEFAULT_FPS)
        self._first_ns = self._first_ns or frame.captured_ns
        return (frame.captured_ns - self._first_ns) / 1e9

    def _text(self) -> tuple[str, str]:
        latency_ms = float(np.median(self._stages["latency"].latest(RECENT))) / 1e6
        return f"{self._recent_fps():.1f} frames/s", f"latency {latency_ms:.0f} ms"

    def _recent_fps(self) -> float:
        intervals = self._intervals.latest()
        return 1e9 / float(intervals.mean()) if len(intervals) else 0.0

    def _time(self, stage: str, duration_ns: int) -> None:
        self._stages.setdefault(stage, Samples()).add(duration_ns)
