"""What the loop's threads are busy with, so that a hanging one can be told from an idle one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from edgeunet.camera.frame import Frame


class Work(NamedTuple):
    """One piece of work, for people."""

    title: str
    begin_ns: int

    @property
    def seconds(self) -> float:
        """Since it began."""
        return (time.perf_counter_ns() - self.begin_ns) / 1e9


class Busy:
    """Keeps what is under way, one piece of each kind. Any thread may ask."""

    def __init__(self) -> None:
        self._work: dict[str, Work] = {}

    @contextmanager
    def at(self, kind: str, frame: Frame, source: str) -> Iterator[None]:
        """The block works on this frame."""
        self._work[kind] = Work(f"{kind} of frame {frame.number} of {source}", time.perf_counter_ns())
        try:
            yield
        finally:
            del self._work[kind]

    def longest(self) -> Work | None:
        """What has been under way for the longest time; None if all are idle."""
        return min(self._work.copy().values(), key=lambda work: work.begin_ns, default=None)
