"""A frame on its way through the loop, and how long each stage took over all frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeunet.frames import UInt8


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    pixels: uint8 [h, w, 3] BGR. number: counts from 0 at the source, dropped frames included.
    captured_ns: when it arrived, time.perf_counter_ns(); read_ns: how long the source took to give it.
    """

    pixels: UInt8
    number: int
    captured_ns: int
    read_ns: int


class Samples:
    """The latest durations of one stage, in nanoseconds; memory stays bounded on a loop that never ends."""

    def __init__(self, capacity: int = 100_000) -> None:
        self._values = np.empty(capacity, np.int64)
        self._count = 0

    def add(self, value_ns: int) -> None:
        self._values[self._count % len(self._values)] = value_ns
        self._count += 1

    def latest(self, count: int | None = None) -> NDArray[np.int64]:
        """int64 [n]: a copy of the latest `count` samples (all that are kept by default), oldest first."""
        end, size = self._count, len(self._values)  # another thread may add meanwhile
        kept = min(end, size, end if count is None else count)
        return self._values[np.arange(end - kept, end) % size]
