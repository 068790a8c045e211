"""Deadlines and jitter of a latency record: how often a frame was late, and the bounds for all frames."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeunet.latency.quantiles import Samples
from edgeunet.latency.record import TOTAL, LatencyRecord


@dataclass(frozen=True)
class Deadlines:
    """Misses among n samples.

    upper_95, upper_99: the true share of misses is below it with that confidence, one-sided and exact.
    longest_streak: of misses in a row.
    """

    deadline_ms: float
    n: int
    misses: int
    upper_95: float
    upper_99: float
    longest_streak: int

    @property
    def share(self) -> float:
        """Of the samples that missed."""
        return self.misses / self.n


def deadlines(record: LatencyRecord) -> Deadlines | None:
    """The misses of the record's deadline; None where it has none.

    The bounds assume independent misses; on a disturbed machine they come in streaks.
    """
    if record.deadline_ms is None:
        return None
    missed = record.samples_ms[TOTAL] > record.deadline_ms
    n, misses = len(missed), int(missed.sum())
    upper_95, upper_99 = (upper_bound(misses, n, confidence) for confidence in (0.95, 0.99))
    return Deadlines(record.deadline_ms, n, misses, upper_95, upper_99, _longest_streak(missed))


def jitter_ms(record: LatencyRecord) -> Samples | None:
    """(n - 1,) how much the time between two results differs from the time between their frames, in ms.

    It is |L[i] - L[i-1]| of the latencies L: RFC 5481's inter-packet delay variation, without its sign. None for a
    closed loop, in which frames do not come by themselves, and for a single sample.
    """
    total = record.samples_ms[TOTAL]
    if len(total) < 2 or (record.period_ms is None and record.mode != "camera"):
        return None
    return np.abs(np.diff(total))


def upper_bound(misses: int, n: int, confidence: float) -> float:
    """The share below which the true one is with `confidence`, one-sided, after `misses` in n samples.

    Clopper and Pearson 1934: with it, as many misses or fewer have the probability 1 - confidence; the
    same as scipy.stats.binomtest(misses, n, alternative="less").proportion_ci(confidence, "exact").high.
    """
    if misses == n:
        return 1.0
    k = np.arange(misses + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    log_choose = log_factorial[n] - log_factorial[k] - log_factorial[n - k]
    low, high = misses / n, 1.0
    for _ in range(60):  # halves it to the last digit
        middle = (low + high) / 2
        log_pmf = log_choose + k * math.log(middle) + (n - k) * math.log1p(-middle)
        if np.exp(log_pmf).sum() > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _longest_streak(missed: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missed, [False]]).astype(np.int8)))
    return int(max(edges[1::2] - edges[::2], default=0))
