"""The camera loop, in threads of their own: one reads each source, one runs the session, one draws each source.

A frame's way: address → source → reader thread → frame queue (of a camera the newest only) → session → overlay →
fan-out → sinks, of which files and streams each have a thread of their own.

    source ─ reader ─ FrameQueue ─┐                    ┌─ FrameQueue ─ drawer ─┐
    source ─ reader ─ FrameQueue ─┼─ turns ─▶ session ─┼─ FrameQueue ─ drawer ─┼─ fan-out ─▶ sinks
    source ─ reader ─ FrameQueue ─┘           inferrer └─ FrameQueue ─ drawer ─┘

The session is all that the sources share. What a source does outside it, reading, drawing, writing, is done in threads
of its own: one that stalls, floods or dies does not make the masks of the others older.

camera/run.py puts it together. The files along the way: sources/opening.py → loop/reader.py → frame_queue.py →
loop/fan_out.py → sinks/outputs.py → sinks/background.py. A live source has a thread and a queue more:
sources/reconnect.py.

OpenCV, ONNX Runtime and PyAV release Python's lock while they work, so the threads overlap.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

from edgeunet.camera.frame import Frame, Sink
from edgeunet.camera.loop.drawer import Drawer
from edgeunet.camera.loop.fan_out import FanOut
from edgeunet.camera.loop.inferrer import Inferrer
from edgeunet.camera.loop.reader import SourceReader
from edgeunet.camera.loop.turns import PairedTurns, Turns
from edgeunet.camera.loop.watchdog import Watchdog
from edgeunet.camera.sources.source import Source
from edgeunet.camera.state.picture_check import PictureCheck
from edgeunet.camera.state.tracker import StateTracker
from edgeunet.camera.statistics import LoopStats, Statistics
from edgeunet.errors import OutputError, UsageError
from edgeunet.imaging.overlay import OPACITY, Overlay
from edgeunet.imaging.pixels import Pixels
from edgeunet.runtime.session import Fitted, Session
from edgeunet.utils import console
from edgeunet.utils.limits import FRAMES, MAX_MS, require_in

STUCK_S = 0.5  # how long the end waits for a camera that hangs in its driver
LONGEST_SYNC_MS = 1000.0
PAIRED_WAITING = 4  # frames of a camera that may wait for those of the others
WRITING_S = 10.0  # how long the end waits for the sinks to write their last frames


@dataclass(frozen=True)
class LoopOptions:
    """opacity: of the class colours, 0 to 1. max_frames: masks to make of each source, None for all.

    deadline_ms: an older mask counts as a miss. keep_samples: keep each mask's times for a latency record.
    batch: frames of different sources that run as one, where the session takes so many; 1: in turn. sync_ms: pair the
    frames of several sources whose times are at most so far apart; None: do not.
    draw: whether any sink uses the overlay with its legend. plain: whether any uses the overlay without. One that is
    not used is the camera's picture.
    """

    opacity: float = OPACITY
    max_frames: int | None = None
    deadline_ms: float | None = None
    draw: bool = True
    plain: bool = False
    keep_samples: bool = False
    batch: int = 1
    sync_ms: float | None = None

    def __post_init__(self) -> None:
        require_in("--max-frames", self.max_frames, 1, FRAMES)
        require_in("--deadline-ms", self.deadline_ms, 0, MAX_MS, above=True)
        require_in("--sync in ms", self.sync_ms, 0, LONGEST_SYNC_MS, above=True)


DEFAULTS = LoopOptions()


class Loop:
    """Runs sources through one session into sinks, once.

    A file: every frame, in order. A live source: only the newest frame; it replaces one that still waits. Several
    sources take turns, see Turns, and the end of one does not touch the others; next to a camera a file plays at its
    own rate. Each sink is entered and left in one thread, written to by one thread at a time (background.py hands its
    sink to a thread of its own), and left with an exception if the loop fails. `notify` gets a line, from any thread,
    for each fault that does not end the loop. `observe` gets each frame whose mask is published, and when
    (time.perf_counter_ns()), in the thread that submits the next one.
    session: the caller closes it once the loop has ended, unless is_stuck(). readers: the sources in
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
        self._options = options
        self.notify = notify
        self._fan_out = FanOut(sinks, notify)
        self._changed = threading.Condition()
        deadline_ns = None if options.deadline_ms is None else round(options.deadline_ms * 1e6)
        self.live = any(source.live for source in sources.values())
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
                fit_ahead=self._fit_ahead if len(sources) > 1 else lambda pixels: None,
                waiting=1 if options.sync_ms is None else PAIRED_WAITING,
                plays=self.live and not source.live,
            )
            for name, source in sources.items()
        ]
        self.watchdog = Watchdog()
        self._drawers = [
            Drawer(r, self._fan_out, self.watchdog, self._notice_room, legend=options.draw, plain=options.plain)
            for r in self.readers
        ]
        self._inferring = Inferrer(
            session, self.readers, self._drawers, self._make_turns(), self.watchdog, options.max_frames, notify, observe
        )
        self._error: BaseException | None = None
        self._failing = threading.Lock()
        self._reader_threads = [self._thread(partial(self._read, r), f"reader of {r.name}") for r in self.readers]
        self._inferrer = self._thread(self._infer, "inferrer")
        self._drawer = self._thread(self._draw, "drawer")

    def _make_turns(self) -> Turns:
        queues = [reader.frames for reader in self.readers]

        def ready(index: int) -> bool:
            return self._drawers[index].masks.has_room

        if self._options.sync_ms is None:
            return Turns(queues, self._changed, ready)
        if self.live and not all(reader.source.live for reader in self.readers):
            raise UsageError(
                "--sync pairs cameras by the time of capture, files by their own: give cameras only, or files only"
            )
        return PairedTurns(
            queues,
            self._changed,
            ready,
            bound_ns=round(self._options.sync_ms * 1e6),
            live=self.live,
            time_of=lambda index, frame: self.readers[index].time_ns(frame),
        )

    @property
    def session(self) -> Session:
        """The one in use."""
        return self._inferring.session

    def _fit_ahead(self, pixels: Pixels) -> Fitted | None:
        return self.session.fit_ahead(pixels)

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
            for drawer in self._drawers:
                drawer.masks.close()
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
        """As Inferrer.switch()."""
        self._inferring.switch(session)

    def _thread(self, work: Callable[[], None], name: str) -> threading.Thread:
        return threading.Thread(target=self._guard, args=(work,), name=f"edgeunet-{name}", daemon=True)

    def _guard(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - finish() raises the first one in the caller's thread
            with self._failing:
                self._error = self._error or error
            self.stop()
            for drawer in self._drawers:
                drawer.masks.close(discard=True)

    def _read(self, reader: SourceReader) -> None:
        reader.read()
        if reader.error is not None and not reader.given_up and len(self.readers) > 1:
            self.notify(f"{reader.error}; the other sources continue")

    def _infer(self) -> None:
        self._inferring.work(self._options.batch)

    def _draw(self) -> None:
        """Open the sinks, let every source's masks be drawn, and close them."""
        threads = [
            self._thread(partial(self._draw_of, d), f"drawer of {r.name}")
            for d, r in zip(self._drawers, self.readers, strict=True)
        ]
        with self._fan_out:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if self._error is not None:
                raise self._error
        for reader in self.readers:
            reader.statistics.end()

    def _draw_of(self, drawer: Drawer) -> None:
        if not drawer.work():  # every sink has failed
            self.stop()
        drawer.masks.close(discard=True)

    def _notice_room(self) -> None:
        with self._changed:
            self._changed.notify_all()
