"""One source of the loop: the thread that reads it, its frame queue, its overlay and its figures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from edgeunet.camera.frame import Frame
from edgeunet.camera.frame_queue import FrameQueue
from edgeunet.camera.sources.source import DEFAULT_FPS, Source
from edgeunet.camera.state.mask_state import MaskState
from edgeunet.camera.state.picture_check import PictureCheck
from edgeunet.camera.state.tracker import StateTracker
from edgeunet.camera.statistics import LoopStats, Statistics
from edgeunet.imaging.letterbox import UInt8
from edgeunet.imaging.overlay import Overlay
from edgeunet.imaging.pixels import Pixels, picture_of
from edgeunet.runtime.session import Fitted, Result

TEXT_EVERY_NS = 500_000_000  # numbers that change with every frame cannot be read


class SourceReader:
    """Reads one source: a file frame by frame, a live source so that only the newest frame waits."""

    def __init__(
        self,
        source: Source,
        name: str,
        overlay: Overlay,
        statistics: Statistics,
        states: StateTracker,
        check: PictureCheck,
        *,
        max_frames: int | None,
        changed: threading.Condition,
        fit_ahead: Callable[[Pixels], Fitted | None] = lambda pixels: None,
        waiting: int = 1,
        plays: bool = False,
    ) -> None:
        """name: unique in the loop. max_frames: masks to make. changed: the condition of the frame queue.

        fit_ahead: fits a frame here that would hold up the session; or gives None.
        waiting: the most frames of a live source that wait. plays: read a file no faster than its own rate.
        """
        self.source = source
        self.name = name
        self.statistics = statistics
        self.states = states
        self.frames: FrameQueue[Frame] = FrameQueue(waiting if source.live else 1, newest=source.live, changed=changed)
        self.error: Exception | None = None  # the error that ended the reading early
        self.given_up = False  # because its inferences failed
        self._overlay = overlay
        self._check = check
        self._max_frames = max_frames
        self._plays = plays
        self._fit_ahead = fit_ahead
        self._stopped = threading.Event()
        self._failures: list[Exception] = []  # of inferences in a row
        self._first_ns = 0
        self._text: tuple[str, ...] = ()
        self._text_ns = 0

    def read(self) -> None:
        """Read the source to its end and close it; an error is kept as `error`."""
        count, due_s = 0, time.monotonic()
        try:
            with self.source as source:
                while self.frames.wait_for_room():  # a file's frame that waits here would grow old
                    if not source.live and count == self._max_frames:
                        break
                    if self._plays:
                        self._stopped.wait(max(0.0, due_s - time.monotonic()))
                        due_s = max(due_s, time.monotonic() - 1 / self.fps) + 1 / self.fps
                    frame = source.read()
                    if frame is None:
                        break
                    count += 1
                    self.statistics.read(frame.read_ns)
                    if source.live:  # a file repeats frames rightly
                        fault = self._check.look(frame.pixels, coded=source.coded)
                        frame = replace(frame, fault=fault) if fault else frame
                    if (ahead := self._fit_ahead(frame.pixels)) is not None:
                        frame = replace(frame, ahead=ahead)
                    self.frames.put(frame)
        except Exception as error:  # noqa: BLE001 - an error of one source does not stop the others; the loop raises it
            self.error = self.error or error
        self.frames.close()
        if self.error is None:
            self.states.end()

    def stop(self) -> None:
        """Read no more, and forget the frame that waits."""
        self._stopped.set()
        self.frames.close(discard=True)
        self.states.end()

    def succeeded(self) -> None:
        """The inference of a frame did not fail."""
        self._failures.clear()

    def failed(self, error: Exception) -> int:
        """The inference of a frame raised; returns how many of this source did in a row."""
        self.statistics.failed()
        self._failures.append(error)
        return len(self._failures)

    def give_up(self) -> None:
        """Read no more, because of the first failure in a row; its masks are missed."""
        self.error, self.given_up = self._failures[0], True
        self._stopped.set()
        self.frames.close(discard=True)

    @property
    def runs(self) -> bool:
        """Whether frames of it may still come."""
        return not self.frames.ended

    @property
    def dropped(self) -> int:
        """Frames of a live source that were left out: a newer one came first, or more came than its share."""
        return self.frames.dropped + self.source.skipped

    @property
    def fps(self) -> float:
        """The source's rate, or the usual rate if it is unknown."""
        return self.source.fps or DEFAULT_FPS

    def draw(self, frame: Frame, result: Result, state: MaskState, *, legend: bool, plain: bool) -> tuple[UInt8, UInt8]:
        """Two pictures, uint8 [h, w, 3] BGR: with the mask and the legend, and with the mask.

        The legend has the rate, the age, the model in use, and the state if that speaks against the mask.

        A picture that no sink uses is the frame itself.
        """
        picture = picture_of(frame.pixels, self._overlay.levels)
        blended = self._overlay.blend(picture, result.mask, result.letterbox) if legend or plain else picture
        if not legend:
            return picture, blended
        now = time.perf_counter_ns()
        if now - self._text_ns >= TEXT_EVERY_NS:
            self._text_ns = now
            fps, age_ms = self.statistics.recent()
            self._text = (f"{fps:.1f} fps", f"age {age_ms:.0f} ms")
        labelled = blended.copy() if plain else blended
        self._overlay.label(
            labelled, [*filter(None, (str(state) if state.speaks_against else "", *self._text, result.model))]
        )
        return labelled, blended

    def time_of(self, frame: Frame) -> float:
        """Seconds from the first frame to this one: by the clock for a live source, by its own times for a file.

        A folder of images has no times: the frame's number counts.
        """
        if frame.time_s is not None:
            return frame.time_s
        if not self.source.live:
            return frame.number / self.fps
        self._first_ns = self._first_ns or frame.captured_ns
        return (frame.captured_ns - self._first_ns) / 1e9

    def time_ns(self, frame: Frame) -> int:
        """The time by which frames are paired: that of the capture for a live source, its own for a file."""
        return frame.captured_ns if self.source.live else round(self.time_of(frame) * 1e9)

    def stats(self) -> LoopStats:
        """The figures so far; from any thread."""
        ends = [count for count in (self.source.frame_count, self._max_frames) if count is not None]
        return self.statistics.snapshot(
            total=min(ends, default=None),
            dropped=self.dropped,
            corrupt=self.source.corrupt,
            reconnects=self.source.reconnects,
            state=self.states.stats(time.perf_counter_ns()),
        )
