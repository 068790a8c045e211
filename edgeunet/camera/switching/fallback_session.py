"""Several models behind one session: the fallback policy says which of them takes the next frame."""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple, get_args

from edgeunet.camera.frame import Frame
from edgeunet.camera.statistics import FallbackStats
from edgeunet.camera.switching.fallback_policy import Cause, FallbackPolicy
from edgeunet.errors import MismatchError
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.imaging.pixels import Pixels, blank_frame
from edgeunet.runtime.session import Prediction, Result, Session
from edgeunet.runtime.warm_up import warm_up
from edgeunet.trust import Trust

ROUNDS = 5  # in which the models' times are measured in turn


class FallbackModel(NamedTuple):
    """One of the models. name: for people."""

    name: str
    session: Session


class FallbackSession(Session):
    """A session that hands each frame to the model in use.

    Frames that another model took before a switch come back from that one, in the order of submit(). spec is that of
    the model in use: the models may differ in input size, but not in their classes.
    """

    def __init__(self, models: Sequence[FallbackModel], policy: FallbackPolicy, notify: Callable[[str], None]) -> None:
        """models: in the order of preference; closed with this session. notify: gets a line for each switch."""
        super().__init__(models[0].session.spec)
        self.capacity = min(model.session.capacity for model in models)
        self.max_batch = min(model.session.max_batch for model in models)
        self.large = max(model.session.large for model in models)
        self._models = tuple(models)
        self._policy = policy
        self._notify = notify
        self._current = self._latest = self._models[0]
        self._taken: deque[tuple[FallbackModel, int]] = deque()  # which model has each batch that waits, and its frames
        self._switches: Counter[Cause] = Counter(dict.fromkeys(get_args(Cause), 0))

    @property
    def trust(self) -> Trust | None:
        return self._latest.session.trust

    def describe(self) -> dict[str, str]:
        return self._current.session.describe()

    def result(self) -> Result:
        """As of any session, with the name of the model."""
        result = super().result()
        return replace(result, model=self._latest.name)

    def observe(self, frame: Frame, now_ns: int) -> None:
        """A frame's mask is published now: switch the model if the policy says so. For the thread that submits."""
        switch = self._policy.judge(frame.captured_ns, now_ns)
        if switch is None:
            return
        before, after = self._current, self._models[switch.to]
        with self._lock:
            self._current, self.spec = after, after.session.spec
            self._letterboxes.clear()
        self._switches[switch.cause] += 1
        self._notify(f"{after.name} takes over from {before.name}: {switch.why}")

    def throttled(self) -> None:
        """The board throttles now. From any thread."""
        self._policy.throttled(time.perf_counter_ns())

    def stats(self) -> FallbackStats:
        """The figures so far. From any thread."""
        return FallbackStats(
            tuple(model.name for model in self._models),
            self._current.name,
            {str(cause): n for cause, n in self._switches.items()},
        )

    def _submit(self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]) -> None:
        self._current.session.submit(frames if len(frames) > 1 else frames[0])
        self._taken.append((self._current, len(frames)))

    def _result(self) -> tuple[Sequence[Prediction], dict[str, int]]:
        self._latest, count = self._taken.popleft()
        results: list[Result] = []
        try:
            results.extend(self._latest.session.result() for _ in range(count))
        except Exception:
            for _ in range(count - len(results) - 1):  # they failed with it; the next batch must not get theirs
                with suppress(Exception):
                    self._latest.session.result()
            raise
        return [Prediction(r.mask, r.logits, r.confidence, r.familiarity) for r in results], dict(results[0].times_ns)

    def _close(self) -> None:
        self._taken.clear()
        for model in self._models:
            model.session.close()


def open_fallbacks(
    paths: Sequence[Path], opener: Callable[[Path], Session], deadline_ms: float, notify: Callable[[str], None]
) -> FallbackSession:
    """Open all models, in the order of preference, and measure them in turn.

    Raises what the opener raises, and MismatchError if a model has other classes or takes other frames than the first.
    """
    with ExitStack() as unless_complete:
        models: list[FallbackModel] = []
        for path, name in zip(paths, _names(paths), strict=True):
            models.append(FallbackModel(name, unless_complete.enter_context(opener(path))))
            _require_like(models[0], models[-1])
        for model in models:
            warm_up(model.session)
        times_ns = _times_in_turn([model.session for model in models])
        for better, after in pairwise(range(len(models))):
            if times_ns[after] >= times_ns[better]:
                notify(
                    f"{models[after].name} is no faster than {models[better].name}: it does not help as its fallback"
                )
        session = FallbackSession(models, FallbackPolicy(times_ns, round(deadline_ms * 1e6)), notify)
        unless_complete.pop_all()
    return session


def _names(paths: Sequence[Path]) -> list[str]:
    """File names; if two are the same, with the folders in which the paths differ."""
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    common = os.path.commonpath([path.absolute().parent for path in paths])
    return [str(path.absolute().relative_to(common)) for path in paths]


def _require_like(first: FallbackModel, other: FallbackModel) -> None:
    if other.session.spec.names != first.session.spec.names:
        raise MismatchError(
            f"{other.name} has the classes {', '.join(other.session.spec.names)}; {first.name} has "
            f"{', '.join(first.session.spec.names)}: give models of the same classes, in the same order"
        )
    if other.session.spec.pixels != first.session.spec.pixels:
        raise MismatchError(
            f"{other.name} takes frames of {other.session.spec.pixels}; {first.name} of {first.session.spec.pixels}: "
            "give models that were trained on the same kind of frames"
        )


def _times_in_turn(sessions: Sequence[Session]) -> list[int]:
    """Each session's time for one frame in ns; they take turns, so that other load on the machine affects all."""
    blanks = [blank_frame(session.spec) for session in sessions]
    rounds = [
        [sum(session.run(blank).times_ns.values()) for session, blank in zip(sessions, blanks, strict=True)]
        for _ in range(ROUNDS)
    ]
    return [round(median(times)) for times in zip(*rounds, strict=True)]
