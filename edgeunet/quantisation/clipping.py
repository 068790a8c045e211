"""The range of a tensor's values, collected image by image, and where to clip them for INT8.

All clips are symmetric, as TensorRT wants them: the number t means -t to t.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

_BITS = 12
BINS = 1 << _BITS  # at least half of them are in use: 2048, the number that TensorRT's own calibrator has
LEVELS = 128  # of |x| in symmetric int8: 0 to 127
TOP = LEVELS - 1
PERCENTILE = 0.9999
_STEP = 8  # bins between two clips to try
_AT_ONCE = 1 << 18  # values that are read together; they fit into the processor's cache


class Histogram:
    """Counts of |x| in a fixed amount of memory; the same for any order of adding.

    The bins cover 0 to a power of two. When a value exceeds it, the range doubles and neighbouring
    bins merge, which gives exactly the counts that the larger range would have had from the start.
    """

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(BINS, np.int64)
        self.low = 0.0  # the smallest value so far, or 0
        self.high = 0.0  # the largest one, or 0
        self._exponent: int | None = None  # the bins cover 0 ≤ |x| < 2**exponent

    @property
    def peak(self) -> float:
        """The largest |x| so far."""
        return max(self.high, -self.low)

    @property
    def bin_width(self) -> float:
        """In the tensor's unit."""
        return 2.0 ** (self._exponent or 0) / BINS

    def add(self, values: NDArray[np.float32]) -> None:
        """Add activations, float32 of any shape in contiguous memory; raises ValueError for a NaN or an infinity."""
        row = values.reshape(1, -1)
        for start in range(0, values.size, _AT_ONCE):
            part = row[:, start : start + _AT_ONCE]
            low, high = float(part.min()), float(part.max())
            if not (math.isfinite(low) and math.isfinite(high)):  # with a NaN among them, both are NaN
                raise ValueError("a histogram holds finite numbers only")
            self.low, self.high = min(self.low, low), max(self.high, high)
            self._cover(_exponent_of(max(high, -low)))
            if self._exponent is None:
                self.counts[0] += part.size
                continue
            # In one step from a float, OpenCV takes three times as long.
            bins = np.ldexp(np.abs(part) if low < 0 else part, _BITS - self._exponent).astype(np.uint16)
            counts = cv2.calcHist([bins], [0], None, [BINS], [0, BINS])
            self.counts += counts.ravel().astype(np.int64)

    def merge(self, other: Histogram) -> None:
        """Add the counts of another histogram, which is not changed."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self._cover(other._exponent)
        self.counts += _coarser(other.counts, _doublings(other._exponent, self._exponent))

    def used(self) -> NDArray[np.int64]:
        """The counts up to the largest value's bin."""
        return self.counts[: int(self.peak / self.bin_width) + 1]

    def summary(self, bins: int) -> tuple[tuple[int, ...], float]:
        """All counts in fewer bins, a power of two of them, and their width in the tensor's unit."""
        merged = BINS // bins
        return tuple(self.counts.reshape(bins, merged).sum(1).tolist()), self.bin_width * merged

    def _cover(self, exponent: int | None) -> None:
        if exponent is not None and (self._exponent is None or exponent > self._exponent):
            self.counts = _coarser(self.counts, _doublings(self._exponent, exponent))
            self._exponent = exponent


def _exponent_of(peak: float) -> int | None:
    return math.frexp(peak)[1] if peak else None


def _doublings(before: int | None, after: int | None) -> int:
    """How often a range doubles from one exponent to another; 0 if one of them holds only zeros."""
    return 0 if before is None or after is None else after - before


def _coarser(counts: NDArray[np.int64], doublings: int) -> NDArray[np.int64]:
    """The same counts in bins that are 2**doublings as wide."""
    merged = min(2**doublings, BINS)
    coarse = np.zeros_like(counts)
    coarse[: BINS // merged] = counts.reshape(-1, merged).sum(1)
    return coarse


def clip(histogram: Histogram, method: str) -> float:
    """The t at which one of METHODS clips, in the tensor's unit; 0 for a tensor that is always zero."""
    if histogram.peak == 0:
        return 0.0
    return min(METHODS[method](histogram.used()) * histogram.bin_width, histogram.peak)


def scale_of(limit: float) -> float:
    """The scale of symmetric int8 that reaches ±limit; 1 for a tensor that is always zero, where any scale works."""
    return limit / TOP if limit else 1.0


def _minmax(counts: NDArray[np.int64]) -> float:
    """All bins: nothing is clipped."""
    return float(len(counts))


def _percentile(counts: NDArray[np.int64]) -> float:
    """Bins that hold 99.99 % of the values."""
    share = np.cumsum(counts) / counts.sum()
    return float(np.searchsorted(share, PERCENTILE) + 1)


def _entropy(counts: NDArray[np.int64]) -> float:
    """Bins whose 128-level version has the least Kullback-Leibler divergence from the values, clipped there.

    Source: Migacz, "8-bit Inference with TensorRT", GTC 2017. As in TensorRT, the first bin gets the
    count of the second: after a ReLU it holds the zeros, which any scale represents exactly.
    """
    values = counts.astype(np.float64)
    values[0] = values[1]
    best, best_divergence = float(len(counts)), math.inf
    for size in range(LEVELS, len(counts) + 1, _STEP):
        divergence = _divergence(values[:size], values[size:].sum())
        if divergence < best_divergence:
            best, best_divergence = size + 0.5, divergence
    return best


def _divergence(inside: NDArray[np.float64], outside: float) -> float:
    reference = inside.copy()
    reference[-1] += outside
    level = np.arange(len(inside)) * LEVELS // len(inside)
    occupied = inside > 0
    total = np.bincount(level, inside, LEVELS)
    members = np.bincount(level, occupied, LEVELS)
    quantised = np.where(occupied, (total / np.maximum(members, 1))[level], 0.0)
    if not quantised.any():
        return math.inf
    p, q = reference / reference.sum(), quantised / quantised.sum()
    if (q[p > 0] == 0).any():
        return math.inf
    seen = p > 0
    return float((p[seen] * np.log(p[seen] / q[seen])).sum())


def _mse(counts: NDArray[np.int64]) -> float:
    """Bins that give the least mean squared error of quantising and dequantising."""
    values = np.arange(len(counts)) + 0.5
    best, best_error = float(len(counts)), math.inf
    for size in range(LEVELS, len(counts) + _STEP, _STEP):
        step = size / TOP
        error = float((counts * (values - np.minimum(np.rint(values / step), TOP) * step) ** 2).sum())
        if error < best_error:
            best, best_error = float(size), error
    return best


METHODS: dict[str, Callable[[NDArray[np.int64]], float]] = {
    "minmax": _minmax,
    "percentile": _percentile,
    "entropy": _entropy,
    "mse": _mse,
}
"""Each returns the number of bins to keep, from the counts up to the largest value's bin (more than BINS / 2)."""
