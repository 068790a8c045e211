"""What the loop's threads work on, so that one that hangs can be told from one that waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from edgeunet.camera.frame import Frame


class Activity(NamedTuple):
    """One thing that is under way. title: for people."""

    title: str
    begin_ns: int

    @property
    def seconds(self) -> float:
        """Since its start."""
        return (time.perf_counter_ns() - self.begin_ns) / 1e9


class Watchdog:
    """Knows what is under way: one activity of each kind. Any thread may ask."""

    def __init__(self) -> None:
        self._under_way: dict[str, Activity] = {}

    @contextmanager
    def watching(self, kind: str, frame: Frame, source: str) -> Iterator[None]:
        """The block works on this frame."""
        self._under_way[kind] = Activity(f"{kind} of frame {frame.number} of {source}", time.perf_counter_ns())
        try:
            yield
        finally:
            del self._under_way[kind]

    def longest(self) -> Activity | None:
        """What has been under way for the longest time; None if nothing is."""
        return min(self._under_way.copy().values(), key=lambda activity: activity.begin_ns, default=None)
