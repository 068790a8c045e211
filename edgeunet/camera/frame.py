"""A frame on its way through the loop, what comes out at its end, and how long each stage took over all frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgeunet.imaging.letterbox import UInt8
from edgeunet.runtime.session import Result


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    pixels: uint8 [h, w, 3] BGR; nobody changes them. number: counts from 0 at the source, dropped frames included.
    captured_ns: when it arrived, time.perf_counter_ns(); read_ns: how long the source took to give it.
    time_s: from the source's first frame, by the clock of its file; None where it has none.
    """

    pixels: UInt8
    number: int
    captured_ns: int
    read_ns: int
    time_s: float | None = None


@dataclass(frozen=True)
class Shot:
    """One published frame: what every sink gets.

    source: the name of its source. overlay, plain: uint8 [h, w, 3] BGR, the picture with its mask, with and without the
    legend; nobody changes them any more.
    time_s: since the source's first frame: by the clock for a live source, by its own times for a file.
    stages_ns: how long each stage took with this frame: "read", the session's own ("fit", "infer"), "draw".
    age_ns: from its capture to its published mask. dropped: frames of its source that were dropped so far.
    """

    source: str
    frame: Frame
    result: Result
    overlay: UInt8
    plain: UInt8
    time_s: float
    stages_ns: Mapping[str, int]
    age_ns: int
    dropped: int


class Sink(Protocol):
    """Where published frames go. One thread writes."""

    def write(self, shot: Shot) -> None:
        """Take a frame; it may be kept. Raises OutputError if no more can be written; the other sinks go on."""


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
