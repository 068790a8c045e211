"""Whose frames are next: the source that has waited longest for its turn, or the frames that belong together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import NamedTuple

from edgeunet.camera.frame import Frame
from edgeunet.camera.frame_queue import FrameQueue
from edgeunet.camera.loop.pairing import Arrived, NextFrames, choose_live, choose_of_files

SILENT_NS = 1_000_000_000  # without a frame, and no other source waits for this one


class Turn(NamedTuple):
    """A frame whose turn it is. source: the place of its source.

    group: the number of the group of frames that it belongs to; None if it goes alone. unpaired: whether frames are
    paired, and a source has none that belongs to this one.
    """

    source: int
    frame: Frame
    group: int | None = None
    unpaired: bool = False


class Turns:
    """Takes frames from several queues that share one condition. For one thread.

    The source that has waited longest is next: since its first frame after its last turn, and since that turn was over,
    so that a camera that sends more frames gets no more turns, and one that replaces its frames loses none. A source
    waits for at most one turn of each other one, whatever they send.
    """

    def __init__(
        self,
        queues: Sequence[FrameQueue[Frame]],
        changed: threading.Condition,
        ready: Callable[[int], bool] = lambda index: True,
    ) -> None:
        """ready: whether a mask of that source could be handed on now; call changed.notify_all() when it may be."""
        self._queues = queues
        self._changed = changed
        self._ready = ready
        self._working: tuple[int, ...] = ()  # the sources of the latest turns
        self._over_ns = [0] * len(queues)  # when the last turn of each source was over

    def take(self, most: int = 1, *, wait: bool = True) -> list[Turn]:
        """The next frames, of different sources; none once all are closed and empty; wait=False: or if none waits."""
        for source in self._working:
            self._over_ns[source] = time.perf_counter_ns()
        with self._changed:
            while True:
                turns, until_ns = self._next(most)
                if turns or not wait or all(queue.ended for queue in self._queues):
                    self._working = tuple(turn.source for turn in turns)
                    return turns
                self._changed.wait(None if until_ns is None else max(0.0, (until_ns - time.perf_counter_ns()) / 1e9))

    def _next(self, most: int) -> tuple[list[Turn], int | None]:
        """Frames, in the order of the sources; where none is due, when to look again at the latest, if known."""
        waiting = [
            (max(queue.since_ns, self._over_ns[index]), index)
            for index, queue in enumerate(self._queues)
            if queue.waiting() and self._ready(index)
        ]
        first = sorted(index for _, index in sorted(waiting)[:most])
        return [Turn(index, self._taken(index)) for index in first], None

    def _taken(self, index: int, place: int = 0) -> Frame:
        frame = self._queues[index].take(place)
        assert frame is not None  # noqa: S101 - it was seen waiting, and this is the only consumer
        return frame


class PairedTurns(Turns):
    """Lets frames that belong together go together: see pairing.py. `most` does not hold: they are never parted."""

    def __init__(
        self,
        queues: Sequence[FrameQueue[Frame]],
        changed: threading.Condition,
        ready: Callable[[int], bool],
        *,
        bound_ns: int,
        live: bool,
        time_of: Callable[[int, Frame], int],
    ) -> None:
        """bound_ns: the most between two frames of a group. time_of: a frame's time in ns, of the source at a place."""
        super().__init__(queues, changed, ready)
        self._bound_ns = bound_ns
        self._live = live
        self._time_of = time_of
        self._numbers = count()
        self._begin_ns = 0  # the first look

    def _next(self, most: int) -> tuple[list[Turn], int | None]:
        choice = self._choice(time.perf_counter_ns())
        group = next(self._numbers) if len(choice.places) > 1 else None
        unpaired = len(choice.places) < len(self._queues)
        turns = [
            Turn(index, self._taken(index, place), group, unpaired) for index, place in sorted(choice.places.items())
        ]
        return turns, choice.until_ns

    def _choice(self, now_ns: int) -> NextFrames:
        waiting = [
            [Arrived(self._time_of(index, frame), arrived) for arrived, frame in queue.waiting()]
            if self._ready(index)
            else []
            for index, queue in enumerate(self._queues)
        ]
        running = [index for index, queue in enumerate(self._queues) if not queue.ended]
        if not self._live:
            return choose_of_files(waiting, running, self._bound_ns)
        self._begin_ns = self._begin_ns or now_ns
        heard_ns = [max(self._begin_ns, queue.last_ns) for queue in self._queues]
        expected = [index for index in running if now_ns - heard_ns[index] < SILENT_NS]
        return choose_live(waiting, expected, now_ns, self._bound_ns)
