"""A live source that is opened again when it breaks off or stalls, after longer and longer pauses.

A driver may hang for good in a call that nothing interrupts. So each opening, with all its reading, has a thread of its
own, which is left behind if it hangs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from edgeunet.camera.frame import Frame, FrameHeader
from edgeunet.camera.frame_queue import FrameQueue
from edgeunet.camera.sources.source import Source, UnusableError
from edgeunet.errors import MissingDependencyError, SourceError, UsageError
from edgeunet.imaging.pixels import Pixels
from edgeunet.utils.limits import require_in

LONGEST_STALL_S = 86_400.0
STALL_S = 5.0  # without a frame, and a source is opened again
OPEN_S = 15.0  # until the first frame: a stream may wait long for a key frame
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 10.0
MOST_HANGING = 3  # threads left behind; one more would hang too
CLOSE_S = 0.5  # how long close() waits for a source that hangs
_FINAL = (UnusableError, UsageError, MissingDependencyError)  # opening it again would raise them again


class Reconnecting(Source):
    """The source that `opener` opens, and opens again whenever it breaks off. Frame numbers continue.

    reconnects: how often it came back, also if it was off at the start. A source that ends without a fault ends this
    one too. One that turns out not to be live, a file behind http://, is not opened again: its errors are raised.
    """

    def __init__(
        self,
        opener: Callable[[], Source],
        notify: Callable[[str], None],
        *,
        stall_s: float = STALL_S,
        name: str | None = None,
    ) -> None:
        """notify: gets a line for people, in the thread that reads. stall_s: seconds without a frame.

        name: for people, until it is open; then the first opening may fail like any later one. Without a name the first
        opening must succeed: waits for it, and raises what `opener` raises.
        """
        require_in("--stall-s", stall_s, 0, LONGEST_STALL_S, above=True)
        super().__init__()
        self.reconnects = 0
        self.live = True
        self.name, self.size, self.fps = name or "", (0, 0), 0.0
        self._opener = opener
        self._notify = notify
        self._stall_s = stall_s
        self._closed = threading.Event()
        self._hanging: list[_Attempt] = []
        self._tries = 0
        self._source: Source | None = None
        self._first_number = self._corrupt_before = self._skipped_before = 0
        self._patience_s: float | None = max(OPEN_S, stall_s)
        self._attempt = _Attempt(opener)
        self._read_as_live = False  # settle() is over: the loop treats it as live
        self._corrupt_seen = 0  # the source's count at its last frame
        self._settled: Source | Frame | BaseException | None = None  # what came before the first read()
        if name is None:
            self._must_open()

    def settle(self, timeout_s: float) -> None:
        """Wait for the first opening, so that its properties are known; read() raises a fault."""
        if self._source is None and self._settled is None:
            item = self._attempt.items.get(max(0.0, timeout_s))
            if isinstance(item, Source):
                self._take_over(item)
            else:
                self._settled = item
        self._read_as_live = self.live

    def _must_open(self) -> None:
        item = self._attempt.items.get(OPEN_S)
        if not isinstance(item, Source):
            self._attempt.leave()
            if isinstance(item, BaseException):
                raise item
            raise SourceError(f"the source neither opens nor fails within {OPEN_S:g} s: check its driver")
        self._take_over(item)

    def _grab(self) -> bool:
        while not self._closed.is_set():
            item, self._settled = self._settled, None
            item = item or self._attempt.items.get(self._patience_s)
            if isinstance(item, Frame):
                self._take(item)
                return True
            if isinstance(item, Source):
                self._take_over(item)
            elif isinstance(item, BaseException) and not self._passes(item):
                raise item
            elif item is None and self._attempt.ended:
                self._count_skipped()
                return False
            elif not self._closed.is_set():
                self._open_again(self._problem(item))
        return False

    def _passes(self, error: BaseException) -> bool:
        """Whether opening it again may help; any other error may come from what the camera sent."""
        return self.live and isinstance(error, Exception) and not isinstance(error, _FINAL)

    def _problem(self, error: BaseException | None) -> str:
        if isinstance(error, SourceError):
            return str(error)
        if error is not None:
            return f"{self.name} failed ({' '.join(str(error).split()) or 'it does not say why'})"
        corrupt = self._source.corrupt - self._corrupt_seen if self._source is not None else 0
        if corrupt > 0:
            return f"{self.name}: {corrupt} pictures arrived in {self._patience_s:g} s and none can be decoded"
        if self._source is None:
            return f"{self.name} neither opens nor fails within {self._patience_s:g} s"
        return f"{self.name}: no frame for {self._patience_s:g} s"

    def _captured_ns(self) -> int:
        return self._frame.captured_ns

    def _retrieve(self) -> Pixels:
        return self._frame.pixels

    def _time_s(self) -> float | None:
        return self._frame.time_s

    def _frame_header(self) -> FrameHeader | None:
        return self._frame.header

    def close(self) -> None:
        """May be called from any thread: a read() that waits ends, as at the end of the source."""
        self._closed.set()
        self._attempt.leave()
        self._attempt.thread.join(CLOSE_S)

    def _take_over(self, source: Source) -> None:
        """Continue with a source that was opened."""
        if self._read_as_live and not source.live:
            raise UnusableError(f"{source.name} is a file, and opened too late to be read as one: start it again")
        self.name, self.live, self.size = source.name, source.live, source.size
        self.fps, self.frame_count, self.coded = source.fps, source.frame_count, source.coded
        self._source = source
        self._first_number, self._corrupt_before, self._skipped_before = self._number, self.corrupt, self.skipped
        self._corrupt_seen = 0
        self._patience_s = max(OPEN_S, self._stall_s) if source.live else None

    def _take(self, frame: Frame) -> None:
        assert self._source is not None  # noqa: S101 - it gave the frame
        self._frame = frame
        self._number = self._first_number + frame.number
        self._corrupt_seen = self._source.corrupt
        self.corrupt = self._corrupt_before + self._corrupt_seen
        self._count_skipped()
        if self.live:
            self._patience_s = self._stall_s
        if self._tries:
            self.reconnects += 1
            self._notify(f"{self.name}: back after {time.monotonic() - self._lost_s:.1f} s")
            self._tries = 0

    def _count_skipped(self) -> None:
        if self._source is not None:
            self.skipped = self._skipped_before + self._source.skipped

    def _open_again(self, problem: str) -> None:
        self._count_skipped()
        if self._tries == 0:
            self._lost_s, self._pause_s = time.monotonic(), FIRST_PAUSE_S
        self._tries += 1
        self._attempt.leave()
        self._hanging = [a for a in (*self._hanging, self._attempt) if a.thread.is_alive()]
        self._notify(f"{problem}; opening it again (try {self._tries})")
        self._closed.wait(self._pause_s)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        while len([a for a in self._hanging if a.thread.is_alive()]) >= MOST_HANGING and not self._closed.is_set():
            self._notify(f"{self.name}: {MOST_HANGING} tries hang in its driver; waiting for one of them to end")
            self._closed.wait(LONGEST_PAUSE_S)
        if not self._closed.is_set():
            self._attempt = _Attempt(self._opener)
            self._patience_s = max(OPEN_S, self._stall_s)


class _Attempt:
    """One opening, as items: the source, then its frames, then the error that ended it, if any."""

    def __init__(self, opener: Callable[[], Source]) -> None:
        self.items: FrameQueue[Source | Frame | BaseException] = FrameQueue()
        self.ended = False  # without an error
        self._opener = opener
        self._source: Source | None = None
        self.thread = threading.Thread(target=self._run, name="edgeunet-source", daemon=True)
        self.thread.start()

    def leave(self) -> None:
        """Read no more of it; it closes its source as soon as it can."""
        self.items.close(discard=True)
        if self._source is not None:
            self._source.interrupt()

    def _run(self) -> None:
        try:
            with self._opener() as source:
                self._source = source
                if not self.items.put(source):
                    return
                while (frame := source.read()) is not None:
                    if not self.items.put(frame):
                        return
            self.ended = True
        except BaseException as error:  # noqa: BLE001 - raised in the thread that reads
            self.items.put(error)
        finally:
            self.items.close()
