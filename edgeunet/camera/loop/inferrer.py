"""What the sources share: the session, which works on their frames in turn, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from edgeunet.camera.frame import Frame
from edgeunet.camera.loop.drawer import Drawer, MadeMask
from edgeunet.camera.loop.reader import SourceReader
from edgeunet.camera.loop.turns import Turn, Turns
from edgeunet.camera.loop.watchdog import Watchdog
from edgeunet.camera.state.findings import judge
from edgeunet.runtime.session import Session

FAILURES = 5  # failed inferences in a row that end a source, or the loop: one may be chance, five are not
INFERENCE = "inference"


class _Taken(NamedTuple):
    """A frame in the session, and how long it had waited for that."""

    turn: Turn
    wait_ns: int


class Inferrer:
    """Takes frames whose turn it is, and hands their masks to the drawers of their sources.

    session: the one in use. A source whose frames fail FAILURES times in a row is given up, and the others continue; if
    nothing of any other source worked meanwhile, work() raises the first error. A batch that fails counts once, since
    it has one frame of each source.
    """

    def __init__(
        self,
        session: Session,
        readers: Sequence[SourceReader],
        drawers: Sequence[Drawer],
        turns: Turns,
        watchdog: Watchdog,
        max_frames: int | None,
        notify: Callable[[str], None],
        observe: Callable[[Frame, int], None] | None,
    ) -> None:
        """readers, drawers: of each source. max_frames, notify, observe: see Loop."""
        self.session = session
        self._next: Session | None = None
        self._switching = threading.Lock()
        self._readers, self._drawers = readers, drawers
        self._turns = turns
        self._watchdog = watchdog
        self._max_frames = max_frames
        self._notify = notify
        self._observe = observe
        self._live = any(reader.source.live for reader in readers)
        self._failures: list[tuple[int, Exception]] = []  # of frames in a row, with the place of their source

    def work(self, most: int) -> None:
        """Until the frames end. most: of different sources that run as one, where the session takes so many."""
        waiting: deque[list[_Taken]] = deque()  # of each list in the session
        while (turns := self._turns.take(self._size(most), wait=self._pipelined or not waiting)) or waiting:
            if turns and self._next is not None:
                while waiting:
                    self._publish(waiting.popleft())
                self._take_next_session()
            size = self._size(most)
            for start in range(0, len(turns), size):
                for batch in self._submit(turns[start : start + size]):
                    waiting.append(batch)
                    if not self._pipelined or len(waiting) >= self.session.capacity:
                        self._publish(waiting.popleft())
            if not turns:
                self._publish(waiting.popleft())
        for drawer in self._drawers:
            drawer.masks.close()

    def switch(self, session: Session | None) -> None:
        """Use another session of the same classes and size from the next frame on, and close the old one.

        It replaces one that still waits for its turn; None: the present one stays.
        """
        with self._switching:
            old, self._next = self._next, session
        if old is not None:
            old.close()

    def _size(self, most: int) -> int:
        """Of a batch, in the session in use."""
        return min(most, self.session.max_batch)

    @property
    def _pipelined(self) -> bool:
        """Whether frames may wait in the session for the next ones: of a file, but not of a camera."""
        return not self._live

    def _submit(self, turns: Sequence[Turn]) -> Iterator[list[_Taken]]:
        """What the session took, as one list; after an error each frame for itself, since only one may be at fault."""
        now = time.perf_counter_ns()
        try:
            with self._watching(turns[0]):
                self.session.submit([turn.frame.ahead or turn.frame.pixels for turn in turns])
        except Exception as error:  # noqa: BLE001 - a backend may raise anything
            if len(turns) == 1:
                self._skip(turns[0], error)
                return
            for turn in turns:
                yield from self._submit([turn])
        else:
            yield [_Taken(turn, now - turn.frame.captured_ns) for turn in turns]

    def _publish(self, batch: Sequence[_Taken]) -> None:
        """Take the results of a list, count them, and hand them to their drawers."""
        for turn, wait_ns in batch:
            try:
                with self._watching(turn):
                    result = self.session.result()
            except Exception as error:  # noqa: BLE001 - a backend may raise anything
                self._skip(turn, error)
                continue
            now, reader, frame = time.perf_counter_ns(), self._readers[turn.source], turn.frame
            self._failures.clear()
            reader.succeeded()
            stages_ns = {"wait": wait_ns, **result.times_ns}
            published = reader.statistics.published(frame, now, stages_ns, unpaired=turn.unpaired)
            state = reader.states.published(frame.captured_ns, now, judge(frame.fault, result, self.session.trust))
            if self._observe is not None:
                self._observe(frame, now)
            mask = MadeMask(frame, result, stages_ns, now - frame.captured_ns, state, turn.group)
            self._drawers[turn.source].masks.put(mask)
            if published == self._max_frames:
                reader.stop()

    def _watching(self, turn: Turn) -> AbstractContextManager[None]:
        return self._watchdog.watching(INFERENCE, turn.frame, self._readers[turn.source].name)

    def _skip(self, turn: Turn, error: Exception) -> None:
        """Count a failure. Raises the first one of all in a row if no source is left that works."""
        reader = self._readers[turn.source]
        self._failures.append((turn.source, error))
        failing, running = {index for index, _ in self._failures}, {i for i, r in enumerate(self._readers) if r.runs}
        in_a_row = reader.failed(error)
        if in_a_row >= FAILURES and running <= failing:
            raise self._failures[0][1]  # the others may follow from it: a lost GPU closes its session
        said = " ".join(str(error).split())
        if in_a_row == FAILURES:
            reader.give_up()
            self._notify(f"{reader.name}: {FAILURES} inferences in a row failed ({said}); the other sources continue")
            return
        self._notify(f"inference of frame {turn.frame.number} of {reader.name} failed, the frame is skipped: {said}")

    def _take_next_session(self) -> None:
        with self._switching:
            old, self.session, self._next = self.session, self._next or self.session, None
        old.close()
