"""The camera loop, in threads of their own: one reads each source, one runs the session, one draws and writes.

A frame's way: address → source → reader thread → frame queue (of a camera the newest only) → session → overlay →
fan-out → sinks, of which files and streams each have a thread of their own.

    source ─ reader ─ FrameQueue ─┐
    source ─ reader ─ FrameQueue ─┼─ in turn ─▶ session ─ FrameQueue ─▶ overlay, fan-out ─▶ sinks
    source ─ reader ─ FrameQueue ─┘             inferrer               drawer

camera/run.py puts it together. The files along the way: sources/opening.py → loop/reader.py → frame_queue.py →
loop/fan_out.py → sinks/outputs.py → sinks/background.py. A live source has a thread and a queue more:
sources/reconnect.py.

OpenCV, ONNX Runtime and PyAV release Python's lock while they work, so the threads overlap.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from edgeunet.camera.frame import Frame, Shot, Sink
from edgeunet.camera.frame_queue import FrameQueue, RoundRobin
from edgeunet.camera.loop.fan_out import FanOut
from edgeunet.camera.loop.reader import SourceReader
from edgeunet.camera.loop.watchdog import Watchdog
from edgeunet.camera.sources.source import Source
from edgeunet.camera.state.findings import judge
from edgeunet.camera.state.mask_state import Finding
from edgeunet.camera.state.picture_check import PictureCheck
from edgeunet.camera.state.tracker import StateTracker
from edgeunet.camera.statistics import LoopStats, Statistics
from edgeunet.errors import OutputError
from edgeunet.imaging.overlay import OPACITY, Overlay
from edgeunet.runtime.session import Result, Session
from edgeunet.utils import console
from edgeunet.utils.limits import FRAMES, MAX_MS, require_in

FAILURES = 5  # failed inferences in a row that end the loop: one may be chance, five are not
STUCK_S = 0.5  # how long the end waits for a camera that hangs in its driver
INFERENCE = "inference"
WRITING_S = 10.0  # how long the end waits for the sinks to write their last frames


@dataclass(frozen=True)
class LoopOptions:
    """opacity: of the class colours, 0 to 1. max_frames: masks to make of each source, None for all.

    deadline_ms: an older mask counts as a miss. keep_samples: keep each mask's times for a latency record.
    draw: whether any sink uses the overlay with its legend. plain: whether any uses the overlay without. One that is
    not used is the camera's picture.
    """

    opacity: float = OPACITY
    max_frames: int | None = None
    deadline_ms: float | None = None
    draw: bool = True
    plain: bool = False
    keep_samples: bool = False

    def __post_init__(self) -> None:
        require_in("--max-frames", self.max_frames, 1, FRAMES)
        require_in("--deadline-ms", self.deadline_ms, 0, MAX_MS, above=True)


DEFAULTS = LoopOptions()


class _Taken(NamedTuple):
    """A frame in the session, and how long it had waited for that."""

    reader: SourceReader
    frame: Frame
    wait_ns: int


class _Item(NamedTuple):
    """A mask on its way to the drawer."""

    reader: SourceReader
    frame: Frame
    result: Result
    stages_ns: dict[str, int]
    age_ns: int
    state: Finding


class Loop:
    """Runs sources through one session into sinks, once.

    A file: every frame, in order. A live source: only the newest frame; it replaces one that still waits. Several
    sources take turns, one frame each, and the end of one does not touch the others.
    Each sink is entered, written to and left in the drawing thread (background.py hands its sink to a thread of its
    own), and left with an exception if the loop fails. `notify` gets
    a line, from any thread, for each fault that does not end the loop. `observe` gets each frame whose mask is
    published, and when (time.perf_counter_ns()), in the thread that submits the next one.
    session: the model in use; the caller closes it once the loop has ended, unless is_stuck(). readers: the sources in
    the order given. live: whether any of them is. watchdog: what the session and the sinks work on.
    """

    def __init__(
        self,
        session: Session,
        sources: Mapping[str, Source],
        sinks: Sequence[AbstractContextManager[Sink]] = (),
        options: LoopOptions = DEFAULTS,
        *,
        notify: Callable[[str], None] = lambda line: None,
        observe: Callable[[Frame, int], None] | None = None,
    ) -> None:
        """sources: by the names that sinks and figures use."""
        self.session = session
        self._next: Session | None = None
        self._options = options
        self.notify = notify
        self._observe = observe
        self._fan_out = FanOut(sinks, notify)
        self._changed = threading.Condition()
        deadline_ns = None if options.deadline_ms is None else round(options.deadline_ms * 1e6)
        self.readers = [
            SourceReader(
                source,
                name,
                Overlay(session.spec, options.opacity),
                Statistics(deadline_ns, keep_samples=options.keep_samples),
                StateTracker(name, live=source.live, deadline_ns=deadline_ns),
                PictureCheck(session.spec.levels),
                max_frames=options.max_frames,
                changed=self._changed,
            )
            for name, source in sources.items()
        ]
        self.live = any(source.live for source in sources.values())
        self._results: FrameQueue[_Item] = FrameQueue()
        self._failures: list[Exception] = []  # of inferences in a row
        self._error: BaseException | None = None
        self._failing = threading.Lock()
        self.watchdog = Watchdog()
        self._reader_threads = [self._thread(partial(self._read, r), f"reader of {r.name}") for r in self.readers]
        self._inferrer = self._thread(self._infer, "inferrer")
        self._drawer = self._thread(self._draw, "drawer")

    def publish_to(self, sinks: Sequence[AbstractContextManager[Sink]]) -> None:
        """Add sinks, before start()."""
        self._fan_out.sinks += sinks

    def start(self) -> None:
        """Start the threads."""
        console.do_not_wait_for(self._inferrer)
        for reader in self.readers:
            reader.statistics.begin()
            reader.states.begin(time.perf_counter_ns())
        for thread in (*self._reader_threads, self._inferrer, self._drawer):
            thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait for the end; False if it has not come within `timeout_s`."""
        self._drawer.join(timeout_s)
        return not self._drawer.is_alive()

    def stop(self) -> None:
        """End after the frame that is in the session; every mask that was made is still drawn, and the video kept."""
        for reader in self.readers:
            reader.stop()

    def finish(self, patience_s: float | None = None) -> Mapping[str, LoopStats]:
        """Wait for the end and return the figures by source; raises what went wrong.

        patience_s: after stop(), how long to wait for an inference that may hang. Sinks are always closed.
        """
        self._inferrer.join(patience_s)
        if self._inferrer.is_alive():
            self._results.close()
        self._drawer.join(None if patience_s is None else WRITING_S)
        if self._drawer.is_alive():
            raise OutputError(f"the sinks have not written their last frames within {WRITING_S:g} s: check the disk")
        self._join_readers()
        self.switch(None)
        # A source's error first: it is why an output has nothing to write.
        errors = [self._error, *(reader.error for reader in self.readers), *self._fan_out.errors]
        if (error := next(filter(None, errors), None)) is not None:
            raise error
        return self.stats()

    def _join_readers(self) -> None:
        """Only a live source can hang; all of them together get STUCK_S."""
        end = time.monotonic() + STUCK_S
        for reader, thread in zip(self.readers, self._reader_threads, strict=True):
            thread.join(max(0.0, end - time.monotonic()) if reader.source.live else None)

    def is_stuck(self) -> bool:
        """After finish(): whether the session still works on a frame, so that it cannot be closed."""
        return self._inferrer.is_alive()

    def stats(self) -> dict[str, LoopStats]:
        """The figures so far, by source; may be called from any thread while the loop runs."""
        return {reader.name: reader.stats() for reader in self.readers}

    def switch(self, session: Session | None) -> None:
        """Use another session of the same classes and size from the next frame on, and close the old one.

        It replaces one that still waits for its turn; None: the present one stays.
        """
        with self._changed:
            old, self._next = self._next, session
        if old is not None:
            old.close()

    def _thread(self, work: Callable[[], None], name: str) -> threading.Thread:
        return threading.Thread(target=self._guard, args=(work,), name=f"edgeunet-{name}", daemon=True)

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - finish() raises the first one in the caller's thread
            with self._failing:
                self._error = self._error or error
            self.stop()
            self._results.close(discard=True)

    def _read(self, reader: SourceReader) -> None:
        reader.read()
        if reader.error is not None and len(self.readers) > 1:
            self.notify(f"{reader.error}; the other sources continue")

    def _infer(self) -> None:
        turns = RoundRobin([reader.frames for reader in self.readers], self._changed)
        waiting: deque[list[_Taken]] = deque()  # of each list in the session
        while (batch := self._take(turns, wait=self._pipelined or not waiting)) or waiting:
            if batch:
                if self._next is not None:
                    self._publish_all(waiting)
                    self._take_next_session()
                if self._submit(batch):
                    waiting.append(batch)
                if len(waiting) < (self.session.capacity if self._pipelined else 1):
                    continue
            for taken in waiting.popleft():
                self._publish(*taken)
        self._results.close()

    def _take(self, turns: RoundRobin[Frame], *, wait: bool) -> list[_Taken]:
        """The next frames, of as many sources as have one and the session takes at once; none at the end."""
        batch: list[_Taken] = []
        while len(batch) < self.session.max_batch and (found := turns.get(wait=wait and not batch)) is not None:
            batch.append(_Taken(self.readers[found[0]], found[1], time.perf_counter_ns() - found[1].captured_ns))
        return batch

    @property
    def _pipelined(self) -> bool:
        """Whether frames may wait in the session for the next ones: of a file, but not of a camera."""
        return not self.live

    def _publish_all(self, waiting: deque[list[_Taken]]) -> None:
        while waiting:
            for taken in waiting.popleft():
                self._publish(*taken)

    def _submit(self, batch: list[_Taken]) -> bool:
        """Whether the session took the frames."""
        reader, frame, _ = batch[0]
        try:
            with self.watchdog.watching(INFERENCE, frame, reader.name):
                self.session.submit([taken.frame.pixels for taken in batch])
        except Exception as error:  # noqa: BLE001 - a backend may raise anything
            for taken in batch:
                self._skip(taken.reader, taken.frame, error)
            return False
        return True

    def _publish(self, reader: SourceReader, frame: Frame, wait_ns: int) -> None:
        """Take a result, count it, and hand it to the drawer."""
        try:
            with self.watchdog.watching(INFERENCE, frame, reader.name):
                result = self.session.result()
        except Exception as error:  # noqa: BLE001 - a backend may raise anything
            self._skip(reader, frame, error)
            return
        self._failures.clear()
        now = time.perf_counter_ns()
        stages_ns = {"wait": wait_ns, **result.times_ns}
        published = reader.statistics.published(frame, now, stages_ns)
        state = reader.states.published(frame.captured_ns, now, judge(frame.fault, result, self.session.spec.trust))
        if self._observe is not None:
            self._observe(frame, now)
        self._results.put(_Item(reader, frame, result, stages_ns, now - frame.captured_ns, state))
        if published == self._options.max_frames:
            reader.stop()

    def _skip(self, reader: SourceReader, frame: Frame, error: Exception) -> None:
        reader.statistics.failed()
        self._failures.append(error)
        if len(self._failures) == FAILURES:
            raise self._failures[0]  # the others may follow from it: a lost GPU closes its session
        self.notify(
            f"inference of frame {frame.number} of {reader.name} failed, the frame is skipped: "
            f"{' '.join(str(error).split())}"
        )

    def _take_next_session(self) -> None:
        with self._changed:
            old, self.session, self._next = self.session, self._next or self.session, None
        old.close()

    def _draw(self) -> None:
        with self._fan_out:
            while (item := self._results.get(self._until_report_s())) is not None or not self._results.ended:
                if item is not None and self._fan_out:
                    with self.watchdog.watching("drawing and writing", item.frame, item.reader.name):
                        self._write(item)
                self._report()
                if self._fan_out.sinks and not self._fan_out:  # every sink has failed
                    self.stop()
                    break
            self._results.close(discard=True)
            if self._error is not None:
                raise self._error
        for reader in self.readers:
            reader.statistics.end()

    def _until_report_s(self) -> float | None:
        """Seconds until a source has been silent for so long that its state has to be said; None for never."""
        due = [due_ns for reader in self.readers if (due_ns := reader.states.due_ns()) is not None]
        return max(0.0, (min(due) - time.perf_counter_ns()) / 1e9) if due else None

    def _report(self) -> None:
        """Give the states of silent sources to the sinks."""
        now = time.perf_counter_ns()
        reports = [report for reader in self.readers if (report := reader.states.report(now)) is not None]
        if reports:
            self._fan_out.write_states(reports)

    def _write(self, item: _Item) -> None:
        """Draw a mask and give it to the sinks."""
        reader, frame, result, stages_ns, age_ns, state = item
        begin = time.perf_counter_ns()
        overlay, plain = reader.draw(frame, result, state.state, legend=self._options.draw, plain=self._options.plain)
        drawn = time.perf_counter_ns()
        stages_ns = {"read": frame.read_ns, **stages_ns, "draw": drawn - begin}
        dropped, time_s = reader.frames.dropped, reader.time_of(frame)
        shot = Shot(reader.name, frame, result, overlay, plain, time_s, stages_ns, age_ns, dropped, state)
        self._fan_out.write(shot)
        reader.statistics.drawn(drawn - begin, time.perf_counter_ns() - drawn)
