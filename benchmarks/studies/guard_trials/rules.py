"""The results of other tools' rules on the same trials.

Such a tool measures the old version and then the new one. The closest data here are A's samples of the first half of
the pairs of processes, and B's of the last half. This favours the other tools: seconds lie between the halves and not a
change of code and a build, several processes stand for one, and what the machine did to both arms alike is in both.
Each rule has its tool's default settings, except the number of resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.stats import mannwhitneyu

from edgeunet.latency.quantiles import Samples
from edgeunet_bench.guard.judging.samples import ProcessPair, rounds_of

ASV_SAMPLES = 20  # 10 repeats in each of 2 rounds
GOOGLE_REPETITIONS = 9
CRITERION_SAMPLES = 100
CRITERION_RESAMPLES = 10_000  # a tenth of its default: the same to a third of a percent
_BATCH = 1_000


def called_slower(pairs: Sequence[ProcessPair]) -> dict[str, bool]:
    """Whether each peer's rule calls B slower; empty where there is no second half."""
    half = len(pairs) // 2
    if not half:
        return {}
    before = np.concatenate([r.a_ms for r in rounds_of(pairs[:half])])
    after = np.concatenate([r.b_ms for r in rounds_of(pairs[-half:])])
    return {name: rule(before, after) for name, rule in RULES.items()}


def mean_5_percent(before: Samples, after: Samples) -> bool:
    """pytest-benchmark, `--benchmark-compare-fail=mean:5%` (pytest_benchmark/utils.py, PercentageRegressionCheck)."""
    return float(after.mean()) > 1.05 * float(before.mean())


def median_5_percent(before: Samples, after: Samples) -> bool:
    """pytest-benchmark, `--benchmark-compare-fail=median:5%`."""
    return float(np.median(after)) > 1.05 * float(np.median(before))


def asv(before: Samples, after: Samples) -> bool:
    """asv: a U-test with p < .002 and medians 1.1 apart (asv/statistics.py, is_different; asv/commands/compare.py)."""
    a, b = _batches(before, ASV_SAMPLES), _batches(after, ASV_SAMPLES)
    return bool(np.median(b) > 1.1 * np.median(a) and mannwhitneyu(a, b).pvalue < 0.002)


def google_benchmark(before: Samples, after: Samples) -> bool:
    """google/benchmark, tools/compare.py: a two-sided U-test of 9 repetitions with p < .05 (tools/gbench/report.py)."""
    a, b = _batches(before, GOOGLE_REPETITIONS), _batches(after, GOOGLE_REPETITIONS)
    return bool(np.median(b) > np.median(a) and mannwhitneyu(a, b).pvalue < 0.05)


def criterion(before: Samples, after: Samples) -> bool:
    """criterion.rs: means differ with p < .05, and the 95 % interval of the change lies above 1 %.

    src/analysis/compare.rs: the t statistic is bootstrapped from both samples mixed, the change from each by itself.
    """
    a, b = _batches(before, CRITERION_SAMPLES), _batches(after, CRITERION_SAMPLES)
    rng = np.random.default_rng(0)
    batches = range(CRITERION_RESAMPLES // _BATCH)
    changes = [_drawn(b, len(b), rng).mean(axis=1) / _drawn(a, len(a), rng).mean(axis=1) - 1 for _ in batches]
    return _p_same_mean(a, b, rng) < 0.05 and float(np.quantile(np.concatenate(changes), 0.025)) > 0.01


def _p_same_mean(a: Samples, b: Samples, rng: np.random.Generator) -> float:
    """Two-sided p of Welch's t among those of samples drawn from a and b mixed."""
    mixed = np.concatenate([a, b])
    batches = range(CRITERION_RESAMPLES // _BATCH)
    t = np.concatenate([_t(_drawn(mixed, len(a), rng), _drawn(mixed, len(b), rng)) for _ in batches])
    below = float((t < _t(a, b)).mean())
    return 2 * min(below, 1 - below)


RULES: Mapping[str, Callable[[Samples, Samples], bool]] = {
    "pytest-benchmark mean:5 %": mean_5_percent,
    "pytest-benchmark median:5 %": median_5_percent,
    "asv": asv,
    "google/benchmark": google_benchmark,
    "criterion": criterion,
}


def _batches(samples: Samples, count: int) -> Samples:
    """(count,) means of as many neighbouring calls each: these tools time batches of calls."""
    return np.array([part.mean() for part in np.array_split(samples, min(count, len(samples)))])


def _drawn(samples: Samples, size: int, rng: np.random.Generator) -> Samples:
    """(_BATCH, size) with replacement."""
    return samples[rng.integers(len(samples), size=(_BATCH, size))]


def _t(a: Samples, b: Samples) -> Samples:
    """Welch's t statistic along the last axis."""
    variances = a.var(axis=-1, ddof=1) / a.shape[-1] + b.var(axis=-1, ddof=1) / b.shape[-1]
    return np.asarray((b.mean(axis=-1) - a.mean(axis=-1)) / np.sqrt(variances))
