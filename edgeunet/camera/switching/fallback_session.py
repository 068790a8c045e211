"""Several models behind one session: the ladder says which of them takes the next frame."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple, get_args

import numpy as np

from edgeunet.camera.frame import Frame
from edgeunet.camera.statistics import FallbackStats
from edgeunet.camera.switching.fallback_policy import Cause, Ladder
from edgeunet.errors import MismatchError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.runtime.session import Result, Session
from edgeunet.runtime.warm_up import warm_up

ROUNDS = 5  # in which the models' times are measured side by side


class Rung(NamedTuple):
    """One model. name: what people call it."""

    name: str
    session: Session


class LadderSession(Session):
    """A session that hands each frame to the model in use.

    Frames that another model has taken before a switch come back from it, in the order of submit(). spec is that of
    the model in use: its input size may differ from the others', its classes do not.
    """

    def __init__(self, rungs: Sequence[Rung], ladder: Ladder, notify: Callable[[str], None]) -> None:
        """rungs: in the ladder's order; they are closed with this session. notify: gets a line for each switch."""
        super().__init__(rungs[0].session.spec)
        self.capacity = min(rung.session.capacity for rung in rungs)
        self.batched = all(rung.session.batched for rung in rungs)
        self._rungs = tuple(rungs)
        self._ladder = ladder
        self._notify = notify
        self._current = self._latest = self._rungs[0]
        self._taken: deque[Rung] = deque()  # of each frame that waits, who has it
        self._switches: Counter[Cause] = Counter(dict.fromkeys(get_args(Cause), 0))

    def describe(self) -> dict[str, str]:
        return self._current.session.describe()

    def result(self) -> Result:
        """As any session's, with the name of the model."""
        result = super().result()
        return replace(result, model=self._latest.name)

    def observe(self, frame: Frame, now_ns: int) -> None:
        """Its mask is published now: go on with another model if it is time to. For the thread that submits."""
        switch = self._ladder.judge(frame.captured_ns, now_ns)
        if switch is None:
            return
        before, after = self._current, self._rungs[switch.to]
        with self._lock:
            self._current, self.spec, self._letterbox = after, after.session.spec, None
        self._switches[switch.cause] += 1
        self._notify(f"{after.name} takes over from {before.name}: {switch.why}")

    def throttled(self) -> None:
        """The board throttles now. From any thread."""
        self._ladder.throttled(time.perf_counter_ns())

    def stats(self) -> FallbackStats:
        """What has been done so far. From any thread."""
        return FallbackStats(
            tuple(rung.name for rung in self._rungs),
            self._current.name,
            {str(cause): n for cause, n in self._switches.items()},
        )

    def _submit(self, frame: UInt8, letterbox: Letterbox) -> None:
        self._current.session.submit(frame)
        self._taken.append(self._current)

    def _result(self) -> tuple[UInt8, dict[str, int]]:
        self._latest = self._taken.popleft()
        result = self._latest.session.result()
        return result.mask, dict(result.times_ns)

    def _close(self) -> None:
        self._taken.clear()
        for rung in self._rungs:
            rung.session.close()


def open_ladder(
    paths: Sequence[Path], opener: Callable[[Path], Session], deadline_ms: float, notify: Callable[[str], None]
) -> LadderSession:
    """Open all models, in the order of preference, and measure them side by side.

    Raises what the opener raises, and MismatchError if the models have other classes than the first one.
    """
    with ExitStack() as unless_whole:
        rungs = []
        for path, name in zip(paths, _names(paths), strict=True):
            session = unless_whole.enter_context(opener(path))
            rungs.append(Rung(name, session))
            _require_classes(rungs[0], rungs[-1])
        for rung in rungs:
            warm_up(rung.session)
        times_ns = _times_side_by_side([rung.session for rung in rungs])
        for better, worse in pairwise(range(len(rungs))):
            if times_ns[worse] >= times_ns[better]:
                notify(f"{rungs[worse].name} is no faster than {rungs[better].name}: it will not help it out")
        ladder = Ladder(times_ns, round(deadline_ms * 1e6))
        session = LadderSession(rungs, ladder, notify)
        unless_whole.pop_all()
    return session


def _names(paths: Sequence[Path]) -> list[str]:
    """File names; with their folders where two of them are the same, but only as far as the folders differ."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    common = os.path.commonpath([path.absolute().parent for path in paths])
    return [str(path.absolute().relative_to(common)) for path in paths]


def _require_classes(first: Rung, other: Rung) -> None:
    if other.session.spec.names != first.session.spec.names:
        raise MismatchError(
            f"{other.name} has the classes {', '.join(other.session.spec.names)}; {first.name} has "
            f"{', '.join(first.session.spec.names)}: give models of the same classes, in the same order"
        )


def _times_side_by_side(sessions: Sequence[Session]) -> list[int]:
    """Each session's time for one frame in ns; they take turns, so that a load on the machine hits all of them."""
    blanks = [np.zeros((*session.spec.input_size, 3), np.uint8) for session in sessions]
    rounds = [
        [sum(session.run(blank).times_ns.values()) for session, blank in zip(sessions, blanks, strict=True)]
        for _ in range(ROUNDS)
    ]
    return [round(median(times)) for times in zip(*rounds, strict=True)]
