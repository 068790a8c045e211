"""Quantiles of latencies, with intervals that hold whatever the distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.99
"""Confidence of each bound of a quantile; both bounds together hold with 98 %."""

Samples = NDArray[np.float64]  # (n,) ms
MIN_MS = 1e-9
"""The smallest median to divide by: a program that prints less does not print ms."""


@dataclass(frozen=True)
class Quantile:
    """A quantile of the samples: the smallest sample that at least `p` of all do not exceed."""

    p: float
    value: float  # ms
    interval: tuple[float, float] | None  # ms; None where there are too few samples for it

    @property
    def name(self) -> str:
        """p50, p99.9 and so on."""
        return f"p{self.p * 100:g}"


@dataclass(frozen=True)
class Summary:
    """The quantiles of n samples, in ms. The maximum is the maximum observed, not a bound."""

    n: int
    min: float
    mean: float
    max: float
    p50: Quantile
    p90: Quantile
    p99: Quantile
    p999: Quantile

    @property
    def quantiles(self) -> tuple[Quantile, ...]:
        return (self.p50, self.p90, self.p99, self.p999)


def summarize(samples: Samples) -> Summary:
    """Quantiles of the samples, (n,) in ms and n at least 1, with exact intervals."""
    ordered = np.sort(samples)
    p50, p90, p99, p999 = (_quantile(ordered, p) for p in (0.5, 0.9, 0.99, 0.999))
    n, mean = len(ordered), float(ordered.mean())
    return Summary(n, float(ordered[0]), mean, float(ordered[-1]), p50, p90, p99, p999)


def samples_needed(p: float) -> int:
    """The fewest samples from which quantile `p`, 0.5 or above, has an upper bound: 459 for p99."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(p))


def _quantile(ordered: Samples, p: float) -> Quantile:
    """The quantile with bounds that are samples themselves, valid for any distribution.

    The number of samples below the true quantile is binomial (n, p): Conover, Practical
    Nonparametric Statistics, 3rd edition, section 3.2; the same choice of ranks as scipy.stats.quantile_test.
    """
    n = len(ordered)
    k = np.arange(n + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    log_pmf = log_factorial[n] - log_factorial - log_factorial[::-1] + k * math.log(p) + (n - k) * math.log1p(-p)
    pmf = np.exp(log_pmf)
    at_most = np.cumsum(pmf)
    more_than = np.append(np.cumsum(pmf[::-1])[::-1][1:], 0.0)
    low = int(np.argmax(at_most >= 1 - CONFIDENCE)) - 1
    high = int(np.argmax(more_than <= 1 - CONFIDENCE))
    value = float(ordered[math.ceil(n * p - 1e-9) - 1])  # 0.07 * 100 is a little above 7 in floating point
    return Quantile(p, value, (float(ordered[low]), float(ordered[high])) if low >= 0 and high < n else None)
