"""The guard on made samples: what it must catch, what it must not, and when it must say nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from edgeunet.latency.quantiles import Samples
from edgeunet_bench.guard.judging import judgement as judging
from edgeunet_bench.guard.judging.judgement import (
    EARLY,
    MIN_PAIRS,
    SMALL_TAIL,
    Judgement,
    Verdict,
    judge,
    judge_records,
    pairs_to_see_tail,
    refuse,
)
from edgeunet_bench.guard.judging.resampling import POWER, bootstrap_medians, sign_flip, smallest_tail
from edgeunet_bench.guard.judging.samples import NONE, ProcessPair, Round
from tests.bench.records import noisy, toy_record
from tests.marks import slow


def _pairs(
    seed: int,
    *,
    slower: float = 1.0,
    pairs: int = MIN_PAIRS,
    rounds: int = 60,
    spread: float = 0.003,
    tail: float = 0.0,
    favour: float = 1.0,
) -> list[ProcessPair]:
    """Pairs of processes that differ by `spread` without any cause, on a machine whose pace wanders by a quarter.

    slower: B / A. tail: share of B's calls that take twice as long. favour: what the machine does to all that runs
    beside B.
    """
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(pairs):
        bias = math.exp(rng.normal(0, spread))
        made = []
        for _ in range(rounds):
            pace = 2.0 * (1.25 if rng.random() < 0.3 else 1.0)
            a = noisy(rng, pace, 8)
            b = noisy(rng, pace * slower * bias * favour, 8) * np.where(rng.random(8) < tail, 2.0, 1.0)
            references = noisy(rng, 0.1 * pace, 3), noisy(rng, 0.1 * pace * favour, 3)
            made.append(Round(a, b, a[:1] * 9, b[:1] * 9, *references))
        result.append(ProcessPair(tuple(made), foreign=0.0))
    return result


@pytest.mark.slow
def test_the_same_model_twice_never_regresses_and_mostly_passes() -> None:
    verdicts = [judge(_pairs(seed)).verdict for seed in range(10)]
    assert Verdict.REGRESSED not in verdicts
    assert verdicts.count(Verdict.PASS) >= 9


@pytest.mark.slow
def test_five_percent_slower_is_caught() -> None:
    judgements = [judge(_pairs(seed, slower=1.05)) for seed in range(10)]
    assert [j.verdict for j in judgements].count(Verdict.REGRESSED) >= 9
    assert all(j.low < 1.05 < j.high for j in judgements[:10])
    assert "slower than A by" in judgements[0].reason


def test_a_faster_model_passes() -> None:
    judgement = judge(_pairs(1, slower=0.8))
    assert judgement.verdict is Verdict.PASS
    assert judgement.ratio == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("count", [1, *slow(10)])
def test_a_heavier_tail_is_caught_although_the_median_stands(count: int) -> None:
    judgements = [judge(_pairs(seed, tail=0.02)) for seed in range(count)]
    assert [j.verdict for j in judgements].count(Verdict.REGRESSED) >= 0.9 * count
    assert "more than 1.5 times their median" in judgements[0].reason
    assert judgements[0].ratio < 1.01


def _with_one_process(change: Callable[[Samples], Samples]) -> list[ProcessPair]:
    """A/A but for B's process in one of the pairs."""
    first, *rest = _pairs(1)
    return [replace(first, rounds=tuple(replace(r, b_ms=change(r.b_ms)) for r in first.rounds)), *rest]


def test_one_slow_process_is_no_tail() -> None:
    for change in (lambda ms: ms * 1.6, lambda ms: np.append(ms[:-2], ms[-2:] * 2)):
        judgement = judge(_with_one_process(change))
        assert judgement.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE), judgement.reason
        assert judgement.tail_p > 0.001


def test_of_processes_with_few_calls_the_arm_has_the_median() -> None:
    rng = np.random.default_rng(1)
    pairs = [
        ProcessPair((Round(rng.normal(5, 0.02, 1), rng.normal(5, 0.02, 1) * (2 if rng.random() < 0.2 else 1)),))
        for _ in range(300)
    ]
    judgement = judge(pairs)
    assert judgement.tail_b > 0.1
    assert judgement.tail_p < 1e-4


def test_a_small_tail_has_to_be_visible_while_there_is_time_and_is_told_of_at_the_end() -> None:
    pairs = _pairs(1, rounds=20)
    early, late = judge(pairs, limits=EARLY), judge(pairs)
    assert (early.verdict, late.verdict) == (Verdict.INCONCLUSIVE, Verdict.PASS)
    assert 0.02 < late.tail_detectable < 0.1
    unseen = f"up to {late.tail_detectable:.1%} of the calls could have become slow unseen".replace("%", " %")
    assert unseen in early.reason
    assert unseen in late.reason
    assert "times the time to see 2.0 %" in late.reason
    enough = judge(_pairs(1, pairs=36), limits=EARLY)
    assert (enough.verdict, "unseen" in enough.reason) == (Verdict.PASS, False)
    assert judge(_pairs(1, rounds=3)).verdict is Verdict.INCONCLUSIVE


def test_what_could_have_hidden_a_slowdown_does_not_pass() -> None:
    judgement = judge(_pairs(1, spread=0.06))
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.detectable > 1.05
    assert "could have gone unseen" in judgement.reason


def test_few_pairs_of_processes_prove_nothing() -> None:
    for slower in (1.0, 2.0):
        assert judge(_pairs(1, slower=slower, pairs=MIN_PAIRS - 1)).verdict is Verdict.INCONCLUSIVE


def test_a_machine_that_favours_one_arm_makes_it_invalid() -> None:
    for favour in (1.05, 0.95):
        judgement = judge(_pairs(1, favour=favour))
        assert judgement.verdict is Verdict.INVALID
        assert "the machine favoured one of them" in judgement.reason


def test_a_pace_that_changes_alike_beside_both_is_only_told() -> None:
    slowing = [
        replace(p, rounds=tuple(Round(*(s * (1 + i / 9) for s in vars(r).values())) for r in p.rounds))
        for i, p in enumerate(_pairs(1, rounds=60))
    ]
    judgement = judge(slowing)
    assert judgement.verdict is Verdict.PASS
    assert judgement.drift > 0.3


def test_other_programs_make_it_invalid() -> None:
    pairs = _pairs(1, slower=1.05)
    busy = [replace(p, foreign=0.5) if 3 <= i < 6 else p for i, p in enumerate(pairs)]
    judgement = judge(busy)
    assert judgement.verdict is Verdict.INVALID
    assert "other programs took 50.0 %" in judgement.reason
    assert judge([replace(p, foreign=0.04) for p in pairs]).verdict is Verdict.REGRESSED
    assert judge([replace(p, foreign=math.nan) for p in pairs]).verdict is Verdict.REGRESSED  # unknown here


def test_a_machine_that_throttles_makes_it_invalid() -> None:
    pairs = _pairs(1)
    assert judge([*pairs[:-1], replace(pairs[-1], throttled=True)]).verdict is Verdict.INVALID


def test_no_samples_are_invalid() -> None:
    whole = _pairs(1)
    hole = replace(whole[-1], rounds=(*whole[-1].rounds[:-1], Round(np.ones(5), NONE)))
    for pairs in ([], [ProcessPair(())], [ProcessPair((Round(NONE, NONE),))], [*whole[:-1], hole]):
        assert judge(pairs).verdict is Verdict.INVALID


def test_calls_that_took_no_time_are_invalid() -> None:
    pairs = [ProcessPair((Round(np.zeros(3), np.zeros(3)),))] * 9
    judgement = judge(pairs)
    assert judgement.verdict is Verdict.INVALID
    assert "took no time" in judgement.reason


def test_the_first_call_after_a_switch_is_not_judged() -> None:
    pairs = _pairs(1)
    slow = [replace(p, rounds=tuple(replace(r, b_first_ms=np.array([1e6])) for r in p.rounds)) for p in pairs]
    assert judge(slow) == judge(pairs)


def test_commands_without_a_reference_are_judged() -> None:
    bare = [
        ProcessPair((Round(r.a_ms, r.b_ms),), foreign=0.0)
        for p in _pairs(1, slower=1.1, pairs=30)
        for r in p.rounds[:1]
    ]
    judgement = judge(bare)
    assert judgement.verdict is Verdict.REGRESSED
    assert (judgement.control_low, judgement.control_high, judgement.drift) == (1.0, 1.0, 0.0)


def test_the_same_data_and_seed_give_the_same_digits() -> None:
    pairs = _pairs(1)
    assert judge(pairs, seed=5) == judge(pairs, seed=5)
    assert judge(pairs, seed=5).detectable != judge(pairs, seed=6).detectable


def test_the_bootstrap_draws_pairs_before_rounds() -> None:
    between = np.repeat(np.random.default_rng(0).normal(0, 1, (9, 1)), 3, axis=1)
    spread = bootstrap_medians(between, np.random.default_rng(1)).std()
    pooled = stats.bootstrap((between.ravel(),), np.median, rng=1, method="percentile").standard_error
    assert spread > 1.3 * pooled


def test_the_sign_flip_test_agrees_with_scipy() -> None:
    differences = np.random.default_rng(0).normal(0.25, 1, 40)
    expected = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", alternative="greater", n_resamples=20_000, rng=0
    ).pvalue
    assert sign_flip(differences, np.random.default_rng(1)) == pytest.approx(expected, abs=0.012)
    assert sign_flip(np.zeros(20), np.random.default_rng(1)) == 1.0


def test_the_smallest_tail_is_the_one_that_is_mostly_found() -> None:
    rng = np.random.default_rng(0)
    rounds, calls, alpha = 200, 10, 1e-3

    def differences(more: float) -> Samples:
        slow_a, slow_b = (np.array(rng.binomial(calls, p, rounds), np.float64) for p in (0.005, 0.005 + more))
        return slow_b - slow_a

    share = smallest_tail(differences(0), rounds * calls, alpha)
    found = sum(sign_flip(differences(share), rng) < alpha for _ in range(50))
    assert found >= 45
    assert 0.005 < share < 0.03


def _slow_calls(seed: int, pairs: int, tail: float) -> list[ProcessPair]:
    """Calls of 15 ms, 3 in a turn; 0.5 % take twice as long whatever runs, more in some pairs than in others."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(pairs):
        usual = 0.005 * rng.gamma(0.5, 2.0)
        slow = rng.random((2, 40, 2)) < np.array([usual, usual + tail])[:, None, None]
        a, b = 15.0 * rng.normal(1, 0.01, slow.shape) * (1 + slow)
        made.append(ProcessPair(tuple(map(Round, a, b))))
    return made


@pytest.mark.parametrize("count", [5, *slow(40)])
def test_a_small_tail_of_slow_calls_is_seen_when_it_is_said_to_be(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "bootstrap_medians", lambda logs, rng: np.zeros(2))  # the tail alone is looked at

    def found(seed: int, tail: float) -> bool:
        looks = MIN_PAIRS, max(27, pairs_to_see_tail(_slow_calls(seed, MIN_PAIRS, 0.0)))
        pairs = _slow_calls(seed, looks[1], tail)
        return any(judge(pairs[:n], limits=EARLY, seed=seed).verdict is Verdict.REGRESSED for n in looks)

    alarms, power = (np.mean([found(seed, tail) for seed in range(count)]) for tail in (0.0, SMALL_TAIL))
    assert alarms == 0
    assert power >= POWER - 0.01


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
    assert _stored(1.0, count=8).verdict is Verdict.INVALID


@pytest.mark.parametrize("field", ["machine", "frames", "mode"])
def test_stored_records_of_different_conditions_are_refused(field: str) -> None:
    change = {"cpu": "Another CPU", "governor": "performance"} if field == "machine" else "another"
    judgement = judge_records(toy_record(np.ones(50)), toy_record(np.ones(50), **{field: change}))
    assert judgement.verdict is Verdict.REFUSED
    assert ("cpu" if field == "machine" else field) in judgement.reason
    assert "name with --varies what is meant to differ" in judgement.reason
    varies = ("cpu",) if field == "machine" else (field,)
    again = judge_records(toy_record(np.ones(50)), toy_record(np.ones(50), **{field: change}), varies=varies)
    assert again.verdict is Verdict.PASS
