"""What the loop's threads work on: this shows whether a thread hangs or only waits."""

from __future__ import annotations

import time
from typing import NamedTuple

from edgeunet.camera.frame import Frame


class Activity(NamedTuple):
    """One activity that has started and not ended: its kind, the number and the source of its frame."""

    kind: str
    number: int
    source: str
    begin_ns: int

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.kind} of frame {self.number} of {self.source}"

    @property
    def seconds(self) -> float:
        """Since its start."""
        return (time.perf_counter_ns() - self.begin_ns) / 1e9


class Watchdog:
    """Knows the current activities, one of each kind and source. Any thread may ask."""

    def __init__(self) -> None:
        self._under_way: dict[tuple[str, str], Activity] = {}

    def watching(self, kind: str, frame: Frame, source: str) -> _Block:
        """The block works on this frame."""
        return _Block(self._under_way, kind, frame.number, source)

    def longest(self) -> Activity | None:
        """The activity that has run longest; None if there is none."""
        return min(self._under_way.copy().values(), key=lambda activity: activity.begin_ns, default=None)


class _Block:
    """The block of `with`: every frame has three, and a generator would take several times as long."""

    __slots__ = ("_about", "_key", "_under_way")

    def __init__(self, under_way: dict[tuple[str, str], Activity], kind: str, number: int, source: str) -> None:
        self._under_way, self._key, self._about = under_way, (kind, source), (kind, number, source)

    def __enter__(self) -> None:
        self._under_way[self._key] = Activity(*self._about, time.perf_counter_ns())

    def __exit__(self, *_: object) -> None:
        del self._under_way[self._key]
