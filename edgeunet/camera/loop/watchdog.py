"""What the loop's threads work on: this shows whether a thread hangs or only waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from edgeunet.camera.frame import Frame


class Activity(NamedTuple):
    """One activity that has started and not ended. title: for people."""

    title: str
    begin_ns: int

    @property
    def seconds(self) -> float:
        """Since its start."""
        return (time.perf_counter_ns() - self.begin_ns) / 1e9


class Watchdog:
    """Knows the current activities, one of each kind. Any thread may ask."""

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
        """The activity that has run longest; None if there is none."""
        return min(self._under_way.copy().values(), key=lambda activity: activity.begin_ns, default=None)
