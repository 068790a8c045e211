"""Peers' rules on made samples: what each calls slower, checked against what is known of it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.studies.guard_trials import rules
from benchmarks.studies.guard_trials.rules import RULES, called_slower
from edgeunet.latency.quantiles import Samples
from edgeunet_bench.guard.judging.samples import ProcessPair, Round


def _samples(median: float, seed: int, count: int = 2_000, scatter: float = 0.02) -> Samples:
    return median * np.random.default_rng(seed).lognormal(0, scatter, count)


@pytest.mark.parametrize(
    ("slower", "names"),
    [
        (1.0, set()),
        (1.03, {"google/benchmark", "criterion"}),
        (1.07, {"google/benchmark", "criterion", "pytest-benchmark mean:5 %", "pytest-benchmark median:5 %"}),
        (1.15, set(RULES)),
        (0.85, set()),
    ],
)
def test_a_slowdown_is_called_by_the_rules_whose_threshold_it_passes(slower: float, names: set[str]) -> None:
    before, after = _samples(1.0, 1), _samples(slower, 2)
    assert {name for name, rule in RULES.items() if rule(before, after)} == names


def test_a_tail_moves_the_mean_and_not_the_median() -> None:
    before, after = np.ones(1_000), np.ones(1_000)
    after[::10] = 2.0
    assert rules.mean_5_percent(before, after)
    assert not rules.median_5_percent(before, after)


def test_asv_wants_both_the_factor_and_the_p() -> None:
    before = np.repeat(np.linspace(1, 3, 20), 10)  # 20 samples that scatter more than they differ
    assert not rules.asv(before, before * 1.2)
    assert rules.asv(before, before * 3)


def test_google_benchmark_tests_nine_repetitions() -> None:
    before = np.repeat(np.arange(1.0, 10.0), 7)
    for shift in (3.0, 5.0):
        expected = stats.mannwhitneyu(np.arange(1.0, 10.0), np.arange(1.0, 10.0) + shift).pvalue < 0.05
        assert rules.google_benchmark(before, before + shift) == expected
    assert rules.google_benchmark(before, before + 5.0)


def test_criterion_agrees_with_scipy_on_a_difference_near_its_level() -> None:
    called, expected = [], []
    for seed in range(30):
        before, after = _samples(1.0, seed, 100, 0.08), _samples(1.035, seed + 100, 100, 0.08)
        t_test = stats.ttest_ind(after, before, equal_var=False)
        change = stats.bootstrap(
            (after, before), lambda b, a, axis: b.mean(axis=axis) / a.mean(axis=axis) - 1,
            method="percentile", n_resamples=2_000, rng=1, vectorized=True,
        )  # fmt: skip
        called.append(rules.criterion(before, after))
        expected.append(bool(t_test.pvalue < 0.05 and change.confidence_interval.low > 0.01))
    assert 3 < sum(expected) < 27
    assert sum(a != b for a, b in zip(called, expected, strict=True)) <= 2  # at the very limit


@pytest.mark.parametrize("slower", [1.0, 1.005, 1.01])
def test_the_p_of_equal_means_is_that_of_the_t_test(slower: float) -> None:
    before, after = _samples(1.0, 5, 100), _samples(slower, 6, 100)
    expected = stats.ttest_ind(after, before, equal_var=False).pvalue
    assert rules._p_same_mean(before, after, np.random.default_rng(1)) == pytest.approx(expected, abs=0.02)


def test_a_rule_sees_a_of_the_first_half_and_b_of_the_last() -> None:
    quick, slow = _samples(1.0, 1, 50), _samples(2.0, 2, 50)
    rounds = [Round(quick, slow)] * 4 + [Round(slow, slow)] + [Round(slow, quick)] * 4
    pairs = [ProcessPair((each,)) for each in rounds]
    assert not any(called_slower(pairs).values())
    halves = [ProcessPair((Round(quick, quick),)), ProcessPair((Round(quick, slow),))]
    assert called_slower(halves)["pytest-benchmark mean:5 %"]
    assert called_slower(pairs[:1]) == {}
