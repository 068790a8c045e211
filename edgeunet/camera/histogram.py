"""Running quantiles of durations in little memory, for a loop that never ends.

The buckets are those of an HDR histogram (Gil Tene, hdrhistogram.org): as fine in proportion at 1 ms as at 1 s. The
PyPI package hdrhistogram is C without a wheel for aarch64, so a board would have to compile it.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass

import numpy as np

BITS = 7  # a bucket is at most 1/128 of its value wide: 0.8 %
LARGEST_NS = (1 << 45) - 1  # almost 10 hours; longer ones count as this
_BUCKETS = (LARGEST_NS.bit_length() - BITS + 1) << BITS


@dataclass(frozen=True)
class Quantiles:
    """What many durations amount to, in nanoseconds; all zero if there is none.

    A quantile is the smallest duration that at least this share does not exceed, 0.8 % too large at most.
    """

    count: int = 0
    total_ns: int = 0
    p50_ns: int = 0
    p90_ns: int = 0
    p99_ns: int = 0
    max_ns: int = 0


EMPTY = Quantiles()


class Histogram:
    """Counts durations. Not thread-safe."""

    def __init__(self) -> None:
        self._counts = array("Q", bytes(8 * _BUCKETS))
        self._total_ns = self._max_ns = 0

    def add(self, duration_ns: int) -> None:
        """Count a duration; a negative one counts as 0."""
        value = min(max(0, duration_ns), LARGEST_NS)
        shift = max(0, value.bit_length() - BITS - 1)
        self._counts[(shift << BITS) + (value >> shift)] += 1
        self._total_ns += value
        self._max_ns = max(self._max_ns, value)

    def quantiles(self) -> Quantiles:
        """Of all durations so far."""
        up_to = np.cumsum(np.frombuffer(self._counts, np.uint64))
        count = int(up_to[-1])
        if count == 0:
            return EMPTY
        ranks = [math.ceil(count * p - 1e-9) for p in (0.5, 0.9, 0.99)]
        p50, p90, p99 = (min(_largest_in(int(b)), self._max_ns) for b in np.searchsorted(up_to, ranks))
        return Quantiles(count, self._total_ns, p50, p90, p99, self._max_ns)


def _largest_in(bucket: int) -> int:
    shift = max(0, (bucket >> BITS) - 1)
    return ((bucket - (shift << BITS) + 1) << shift) - 1
