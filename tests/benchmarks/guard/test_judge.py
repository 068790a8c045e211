"""The guard on made samples: what it must catch, what it must not, and when it must say nothing."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from benchmarks.guard.judge import (
    MIN_PAIRS,
    Judgement,
    Round,
    Verdict,
    _nested_bootstrap,
    _sign_flip,
    judge,
    judge_records,
    refuse,
)
from tests.benchmarks.records import noisy, toy_record


def _pairs(
    seed: int,
    *,
    slower: float = 1.0,
    pairs: int = MIN_PAIRS,
    calls: int = 30,
    spread: float = 0.003,
    tail: float = 0.0,
    reference: Callable[[float], float] = lambda _: 1.0,
) -> list[list[Round]]:
    """Pairs of processes that differ by `spread` without any cause, 3 rounds each, on a machine that wanders.

    slower: B / A. tail: share of B's calls that take twice as long. reference: of the time, 0 to 1.
    """
    rng = np.random.default_rng(seed)
    result = []
    for pair in range(pairs):
        bias = math.exp(rng.normal(0, spread))
        rounds = []
        for turn in range(3):
            pace = 5.0 * math.exp(rng.normal(0, 0.05))
            a = noisy(rng, pace, calls)
            b = noisy(rng, pace * slower * bias, calls) * np.where(rng.random(calls) < tail, 2.0, 1.0)
            time = (pair + turn / 3) / pairs
            rounds.append(Round(a, b, reference(time) * np.exp(rng.normal(0, 0.005, 20))))
        result.append(rounds)
    return result


def test_the_same_model_twice_never_regresses_and_mostly_passes() -> None:
    verdicts = [judge(_pairs(seed)).verdict for seed in range(40)]
    assert Verdict.REGRESSED not in verdicts
    assert verdicts.count(Verdict.PASS) >= 36


def test_five_percent_slower_is_caught() -> None:
    judgements = [judge(_pairs(seed, slower=1.05)) for seed in range(40)]
    assert [j.verdict for j in judgements].count(Verdict.REGRESSED) >= 38
    assert all(j.low < 1.05 < j.high for j in judgements[:10])
    assert "slower than A by" in judgements[0].reason


def test_a_faster_model_passes() -> None:
    judgement = judge(_pairs(1, slower=0.8))
    assert judgement.verdict is Verdict.PASS
    assert judgement.ratio == pytest.approx(0.8, abs=0.02)


def test_a_heavier_tail_is_caught_although_the_median_stands() -> None:
    judgement = judge(_pairs(1, tail=0.06, pairs=27, calls=60))
    assert judgement.verdict is Verdict.REGRESSED
    assert "above 1.5 times the median" in judgement.reason
    assert judgement.ratio < 1.01


def test_what_could_have_hidden_a_slowdown_does_not_pass() -> None:
    judgement = judge(_pairs(1, spread=0.06))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.detectable > 1.05
    assert "could have gone unseen" in judgement.reason


def test_few_pairs_of_processes_prove_nothing() -> None:
    for slower in (1.0, 2.0):
        assert judge(_pairs(1, slower=slower, pairs=MIN_PAIRS - 1)).verdict is Verdict.INCONCLUSIVE


def test_a_drifting_machine_makes_it_invalid() -> None:
    for reference in (lambda t: 1 + 0.06 * t, lambda t: 1.05 if 1 / 3 < t < 2 / 3 else 1.0):
        judgement = judge(_pairs(1, reference=reference))
        assert judgement.verdict is Verdict.INVALID
        assert judgement.drift > 0.02
    assert judge(_pairs(1, slower=1.05, reference=lambda t: 1 + 0.1 * t)).verdict is Verdict.INVALID


def test_no_drift_hides_a_slowdown_larger_than_itself() -> None:
    assert judge(_pairs(1, slower=1.5, reference=lambda t: 1 + 0.1 * t)).verdict is Verdict.REGRESSED


def test_no_samples_are_invalid() -> None:
    empty = np.empty(0)
    whole = _pairs(1)
    hole = [*whole[:-1], [*whole[-1][:2], Round(np.ones(1), np.ones(5), empty)]]
    for pairs in ([], [[Round(empty, empty, empty)]], hole):
        assert judge(pairs).verdict is Verdict.INVALID


def test_the_first_call_after_a_switch_is_not_judged() -> None:
    pairs = _pairs(1)
    slow_start = [[Round(r.a_ms, np.append(1e6, r.b_ms[1:]), r.reference_ms) for r in pair] for pair in pairs]
    assert judge(slow_start) == judge(pairs)


def test_the_same_data_and_seed_give_the_same_digits() -> None:
    pairs = _pairs(1)
    assert judge(pairs, seed=5) == judge(pairs, seed=5)
    assert judge(pairs, seed=5).detectable != judge(pairs, seed=6).detectable


def test_the_bootstrap_draws_pairs_before_rounds() -> None:
    between = np.repeat(np.random.default_rng(0).normal(0, 1, (9, 1)), 3, axis=1)
    spread = _nested_bootstrap(between, np.random.default_rng(1)).std()
    pooled = stats.bootstrap((between.ravel(),), np.median, rng=1, method="percentile").standard_error
    assert spread > 1.3 * pooled


def test_the_sign_flip_test_agrees_with_scipy() -> None:
    differences = np.random.default_rng(0).normal(0.25, 1, 40)
    expected = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", alternative="greater", n_resamples=20_000, rng=0
    ).pvalue
    assert _sign_flip(differences.tolist(), np.random.default_rng(1)) == pytest.approx(expected, abs=0.012)
    assert _sign_flip([0.0] * 20, np.random.default_rng(1)) == 1.0


def test_machines_that_differ_are_refused_by_name() -> None:
    refused = refuse({"cpu": "x", "threads": "2"}, {"cpu": "x", "threads": "4", "governor": "powersave"})
    assert refused is not None
    assert refused.verdict is Verdict.REFUSED
    assert "threads: 2 and 4" in refused.reason
    assert "governor: none and powersave" in refused.reason
    assert refuse({"cpu": "x"}, {"cpu": "x"}) is None


def _stored(slower: float, count: int = 300) -> Judgement:
    rng = np.random.default_rng(4)
    return judge_records(toy_record(noisy(rng, 5.0, count)), toy_record(noisy(rng, 5.0 * slower, count)))


def test_stored_records_are_judged_with_wider_limits() -> None:
    assert _stored(1.05).verdict is Verdict.PASS
    assert _stored(1.30).verdict is Verdict.REGRESSED
    assert _stored(1.10).verdict is Verdict.INCONCLUSIVE
    assert _stored(1.0, count=9).verdict is Verdict.INVALID


@pytest.mark.parametrize("field", ["machine", "frames", "mode"])
def test_stored_records_of_different_conditions_are_refused(field: str) -> None:
    change = {"cpu": "Another CPU", "governor": "performance"} if field == "machine" else "another"
    judgement = judge_records(toy_record(np.ones(50)), toy_record(np.ones(50), **{field: change}))
    assert judgement.verdict is Verdict.REFUSED
    assert ("cpu" if field == "machine" else field) in judgement.reason
