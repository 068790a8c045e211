"""A sink in a thread of its own: a slow disk or encoder delays neither the loop nor the other sinks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType

from edgeunet.camera.frame import Shot, Sink, StateSink
from edgeunet.camera.frame_queue import FrameQueue
from edgeunet.camera.state.mask_state import StateReport
from edgeunet.errors import OutputError

CAPACITY = 4  # frames that may wait, each with its pictures in memory
STUCK_S = 2.0  # without progress at the end, and the program does not wait for it


class Background:
    """Runs another sink in a thread; an error there is raised by the next write() or at the end.

    live=False: write() waits while `CAPACITY` frames are on their way; none is lost.
    live=True: write() never waits; the oldest frame makes room, and at the end `notify` gets the number of dropped
    frames.
    """

    def __init__(
        self, sink: AbstractContextManager[Sink], name: str, *, live: bool, notify: Callable[[str], None]
    ) -> None:
        """name: of the sink, for people."""
        self._sink = sink
        self._name = name
        self._notify = notify
        self._shots: FrameQueue[Shot | Sequence[StateReport]] = FrameQueue(CAPACITY, newest=live)
        self._entered = threading.Event()
        self._written = 0
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=f"edgeunet-{name}", daemon=True)

    def __enter__(self) -> Background:
        self._thread.start()
        self._entered.wait()
        self._raise()
        return self

    def write(self, shot: Shot) -> None:
        """Hand a frame over. Raises, once, what the sink raised with an earlier one."""
        if not self._shots.put(shot):
            self._raise()

    def write_states(self, reports: Sequence[StateReport]) -> None:
        """Hand reports over, unless frames wait: the next reports say the same. Raises as write()."""
        if not self._shots.offer(reports):
            self._raise()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the last frames. Raises OutputError if nothing is written for `STUCK_S`."""
        self._shots.close()
        written = -1
        while self._thread.is_alive():
            if written == self._written:
                raise OutputError(f"{self._name} hangs: its last frames are not written; check the disk")
            written = self._written
            self._thread.join(STUCK_S)
        if self._shots.dropped:
            self._notify(f"{self._name} left out {self._shots.dropped} frames: it is too slow for the source")
        self._raise()

    def _work(self) -> None:
        try:
            with self._sink as sink:
                self._entered.set()
                while (item := self._shots.get()) is not None:
                    if isinstance(item, Shot):
                        sink.write(item)
                    elif isinstance(sink, StateSink):
                        sink.write_states(item)
                    self._written += 1
        except BaseException as error:  # noqa: BLE001 - raised in the thread that writes
            self._error = error
        finally:
            self._shots.close(discard=True)
            self._entered.set()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error
