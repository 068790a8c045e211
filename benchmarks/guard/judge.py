"""The guard: is B slower than A? A pure function of samples, so that a verdict can be checked and repeated.

Both arms are measured interleaved (interleave.py). Every round gives one logarithm of a ratio of
medians; what the machine does to both arms cancels. Rounds of one pair of processes share their memory
layout, which alone can move a result by 10 %, so the bootstrap draws pairs first and rounds within them.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgeunet.record import TOTAL, LatencyRecord, Samples

LOOKS = 3  # times the data may be looked at; each look has a third of the false alarms allowed
ALPHA = 0.01  # of each one-sided bound, over all looks
TAIL_ALPHA = 5e-4  # of the tail gate, over all looks
TAIL = 1.5  # a call is in the tail above this many times A's median
MIN_PAIRS = 9  # of processes; with 5 or fewer no 99 % bound exists whatever the distribution
MAX_DRIFT = 0.02  # of the reference workload between thirds of the run
POWER = 0.9  # with which the smallest detectable effect would be detected
RESAMPLES = 20_000


class Verdict(enum.Enum):
    """What a comparison ends with, and the exit code of the command."""

    PASS = 0
    REGRESSED = 3
    INCONCLUSIVE = 4
    INVALID = 5
    REFUSED = 6


@dataclass(frozen=True)
class Limits:
    """Ratios B / A. Regressed when surely above the first, passed when surely below the second."""

    regressed_above: float
    passed_below: float
    blind_above: float  # never passed if a slowdown below this could have gone unseen


INTERLEAVED = Limits(1.01, 1.03, 1.05)
STORED = Limits(1.10, 1.10, 1.20)
"""For two records made at different times: without any change two processes can differ by 10 %."""


@dataclass(frozen=True)
class Round:
    """One turn of both arms. The first sample of each comes right after the switch and is not judged."""

    a_ms: Samples  # (calls,)
    b_ms: Samples  # (calls,)
    reference_ms: Samples  # (calls,) of the fixed workload; empty where there was none


Pairs = Sequence[Sequence[Round]]
"""Rounds by pair of processes, the same number in each."""


@dataclass(frozen=True)
class Judgement:
    """The verdict and what it rests on. Ratios are B / A; NaN where there was too little to compute them."""

    verdict: Verdict
    reason: str
    a_ms: float = math.nan  # median over the rounds' medians
    b_ms: float = math.nan
    ratio: float = math.nan
    low: float = math.nan  # one-sided bounds of the ratio
    high: float = math.nan
    detectable: float = math.nan  # the smallest slowdown that would be called so in 9 of 10 runs, as a ratio
    tail_p: float = math.nan  # chance of a tail difference this large without a cause
    drift: float = math.nan  # of the reference workload, as a share
    pairs: int = 0
    rounds: int = 0


def judge(pairs: Pairs, *, limits: Limits = INTERLEAVED, seed: int = 0) -> Judgement:
    """The verdict at one of at most LOOKS looks; the same data and seed give the same digits."""
    rounds = [r for pair in pairs for r in pair]
    if not rounds or min(min(len(r.a_ms), len(r.b_ms)) for r in rounds) < 2:
        return Judgement(
            Verdict.INVALID, "there are rounds without samples to judge", pairs=len(pairs), rounds=len(rounds)
        )
    rng = np.random.default_rng(seed)
    a = np.array([np.median(r.a_ms[1:]) for r in rounds])
    b = np.array([np.median(r.b_ms[1:]) for r in rounds])
    logs = np.log(b / a).reshape(len(pairs), -1)
    theta = float(np.median(logs))
    draws = _nested_bootstrap(logs, rng)
    low, high = (float(v) for v in np.quantile(draws, [ALPHA / LOOKS, 1 - ALPHA / LOOKS]))
    # The bound must clear the limit: its distance from the estimate, and a normal quantile for the power.
    detectable = math.log(limits.regressed_above) + (theta - low) + NormalDist().inv_cdf(POWER) * float(draws.std())
    tail_p = _sign_flip([_tail_difference(r) for r in rounds], rng)
    drift = _drift(rounds)
    verdict, reason = _decide(limits, len(pairs), theta, low, high, detectable, tail_p, drift)
    ratio, low, high, detectable = (math.exp(v) for v in (theta, low, high, detectable))
    medians = float(np.median(a)), float(np.median(b))
    return Judgement(verdict, reason, *medians, ratio, low, high, detectable, tail_p, drift, len(pairs), len(rounds))


def _decide(
    limits: Limits, pairs: int, theta: float, low: float, high: float, detectable: float, tail_p: float, drift: float
) -> tuple[Verdict, str]:
    # Were all the drift on one arm's side, it would explain no more than its own size.
    if drift > MAX_DRIFT and low <= math.log(limits.regressed_above) + math.log1p(drift):
        return Verdict.INVALID, (
            f"the machine itself changed by {percent(1 + drift)} during the run (limit {percent(1 + MAX_DRIFT)}): "
            "end other programs, let it cool, and compare again"
        )
    if pairs < MIN_PAIRS:
        return Verdict.INCONCLUSIVE, f"{pairs} pairs of processes were measured, {MIN_PAIRS} are needed: give more time"
    if low > math.log(limits.regressed_above):
        return Verdict.REGRESSED, f"B is slower than A by {percent(math.exp(low))} or more"
    if tail_p < TAIL_ALPHA / LOOKS:
        return Verdict.REGRESSED, f"B has more calls above {TAIL:g} times the median of A (p = {tail_p:.1g})"
    if detectable > math.log(limits.blind_above):
        return Verdict.INCONCLUSIVE, (
            f"slowdowns up to {percent(math.exp(detectable))} could have gone unseen "
            f"(limit {percent(limits.blind_above)}): give more time or a quieter machine"
        )
    if high < math.log(limits.passed_below):
        return Verdict.PASS, f"B is not slower than A by {percent(limits.passed_below)} or more"
    return Verdict.INCONCLUSIVE, f"the bounds lie across the limit of {percent(limits.passed_below)}: give more time"


def refuse(a: Mapping[str, str], b: Mapping[str, str]) -> Judgement | None:
    """REFUSED with the names of the facts in which two machines differ, or None if they agree."""
    fields = [name for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
    if not fields:
        return None
    facts = "; ".join(f"{name}: {a.get(name, 'none')} and {b.get(name, 'none')}" for name in fields)
    return Judgement(Verdict.REFUSED, f"measured under different conditions ({facts}): measure both on one machine")


def judge_records(a: LatencyRecord, b: LatencyRecord, *, seed: int = 0) -> Judgement:
    """The verdict on what two files hold. It proves less than judge on an interleaved run: nothing shows
    what the machine did in between, so the limits are those of STORED.
    """
    conditions = [{**r.machine, "frames": r.frames, "mode": r.mode} for r in (a, b)]
    if refused := refuse(*conditions):
        return refused
    blocks = [np.array_split(r.samples_ms[TOTAL], MIN_PAIRS) for r in (a, b)]
    none = np.empty(0)
    return judge([[Round(x, y, none)] for x, y in zip(*blocks, strict=True)], limits=STORED, seed=seed)


def percent(ratio: float) -> str:
    """1.034 → "3.4 %"."""
    return f"{(ratio - 1) * 100:.1f} %"


def _nested_bootstrap(logs: Samples, rng: np.random.Generator) -> Samples:
    """(pairs, rounds) → (RESAMPLES,) medians: pairs drawn with replacement, then rounds within each drawn pair.

    Davison and Hinkley, Bootstrap Methods and their Application, section 3.8.
    """
    pairs, rounds = logs.shape
    drawn = rng.integers(pairs, size=(RESAMPLES, pairs, 1), dtype=np.int32)
    within = rng.integers(rounds, size=(RESAMPLES, pairs, rounds), dtype=np.int32)
    return np.asarray(np.median(logs[drawn, within].reshape(RESAMPLES, -1), axis=1))


def _tail_difference(r: Round) -> float:
    """Share of B's calls in the tail less that of A's."""
    limit = TAIL * float(np.median(r.a_ms[1:]))
    return float((r.b_ms[1:] > limit).mean() - (r.a_ms[1:] > limit).mean())


def _sign_flip(differences: Sequence[float], rng: np.random.Generator) -> float:
    """p of the permutation test that the differences are as likely below zero as above (one-sided).

    Phipson and Smyth 2010: with the observed arrangement counted, p is never zero.
    """
    d = np.asarray(differences)
    signs: NDArray[np.int8] = rng.integers(2, size=(RESAMPLES, len(d)), dtype=np.int8) * 2 - 1
    return float((1 + np.count_nonzero(signs @ d >= d.sum() - 1e-12)) / (RESAMPLES + 1))


def _drift(rounds: Sequence[Round]) -> float:
    """How far the reference workload's median moved between thirds of the run, as a share. 0 without reference."""
    medians = [np.median(r.reference_ms) for r in rounds if len(r.reference_ms)]
    if not medians:
        return 0.0
    thirds = [np.median(part) for part in np.array_split(medians, 3) if len(part)]
    return float(max(thirds) / min(thirds) - 1)
