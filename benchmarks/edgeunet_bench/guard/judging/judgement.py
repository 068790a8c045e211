"""The guard: is B slower than A? A pure function of samples, so that a verdict can be checked and repeated.

Both arms are measured interleaved (interleave.py), in turns of milliseconds. Every round gives one logarithm of a
ratio of medians; effects of the machine on both arms cancel. Rounds of one pair of processes share their memory
layout, which alone can move a result by 10 %, so the bootstrap draws pairs first and rounds within them.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from edgeunet.latency.quantiles import MIN_MS, Samples
from edgeunet.latency.record import TOTAL, LatencyRecord
from edgeunet_bench.guard.judging.facts import differing, refusal
from edgeunet_bench.guard.judging.resampling import POWER, bootstrap_medians, calls_to_see, sign_flip, smallest_tail
from edgeunet_bench.guard.judging.samples import ProcessPair, Round, rounds_of

LOOKS = 3  # times the data may be looked at; each look has a third of the false alarms allowed
ALPHA = 0.01  # of each one-sided bound, over all looks
TAIL_ALPHA = 5e-4  # of the tail gate, over all looks
TAIL = 1.5  # a call is in the tail above this many times the median of its process
TAIL_CALLS = 10  # of a process, for a median of its own; with fewer it is that of its arm
MIN_PAIRS = 9  # of processes; with 5 or fewer no 99 % bound exists whatever the distribution
MAX_FOREIGN = 0.1  # share of the processors' time that other programs may take in the busiest third of the pairs
SMALL_TAIL = 0.02  # share of slow calls that a comparison sees if it has the time


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
    tail_above: float  # nor if more than this share of the calls could have become slow unseen


INTERLEAVED = Limits(1.01, 1.03, 1.05, tail_above=0.1)
EARLY = replace(INTERLEAVED, tail_above=SMALL_TAIL)
"""Before the time is up: of calls of 10 to 40 ms, ten minutes are enough to see a small tail, and one is not."""
STORED = Limits(1.10, 1.10, 1.20, tail_above=1.0)
"""For two records made at different times: without any change two processes can differ by 10 %."""


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
    detectable: float = math.nan  # the smallest slowdown that would be called so in 49 of 50 runs, as a ratio
    tail_a: float = math.nan  # share of calls above TAIL times the median of their process
    tail_b: float = math.nan
    tail_p: float = math.nan  # chance of a tail difference this large without a cause
    tail_detectable: float = math.nan  # the smallest share of slow calls that would be found in 49 of 50 runs
    control_low: float = math.nan  # one-sided bounds of the fixed workload's ratio, with B over with A
    control_high: float = math.nan
    drift: float = math.nan  # of the fixed workload between thirds of the run, as a share
    foreign: float = math.nan  # share of the processors' time that other programs took, in the busiest third of pairs
    pairs: int = 0
    rounds: int = 0
    calls: int = 0  # of each arm, judged


def judge(pairs: Sequence[ProcessPair], *, limits: Limits = INTERLEAVED, seed: int = 0) -> Judgement:
    """The verdict at one of at most LOOKS looks; the same data and seed give the same digits.

    Every pair has the same number of rounds.
    """
    rounds = rounds_of(pairs)
    if not rounds or min(min(len(r.a_ms), len(r.b_ms)) for r in rounds) < 1:
        reason = "some rounds have no samples"
        return Judgement(Verdict.INVALID, reason, pairs=len(pairs), rounds=len(rounds))
    rng = np.random.default_rng(seed)
    a, b = _medians([r.a_ms for r in rounds]), _medians([r.b_ms for r in rounds])
    if min(a.min(), b.min()) < MIN_MS:
        reason = "in some rounds the calls took no time: print times in ms, with decimals"
        return Judgement(Verdict.INVALID, reason, pairs=len(pairs), rounds=len(rounds))
    logs = np.log(b / a).reshape(len(pairs), -1)
    theta = float(np.median(logs))
    draws = bootstrap_medians(logs, rng)
    low, high = _bounds(draws)
    # The bound must clear the limit: its distance from the estimate, and a normal quantile for the power.
    detectable = math.log(limits.regressed_above) + (theta - low) + NormalDist().inv_cdf(POWER) * float(draws.std())
    tail_a, tail_b, calls = _tails(pairs)
    excess, seen_calls = _excess(tail_a, tail_b, calls)
    reference_a, reference_b = (
        _medians([r.reference_a_ms for r in rounds]),
        _medians([r.reference_b_ms for r in rounds]),
    )
    control = (0.0, 0.0)
    if (reference_a >= MIN_MS).all() and (reference_b >= MIN_MS).all():  # false for NaN
        control = _bounds(bootstrap_medians(np.log(reference_b / reference_a).reshape(len(pairs), -1), rng))
    seen = Judgement(
        Verdict.INCONCLUSIVE,
        "",
        a_ms=float(np.median(a)),
        b_ms=float(np.median(b)),
        ratio=math.exp(theta),
        low=math.exp(low),
        high=math.exp(high),
        detectable=math.exp(detectable),
        tail_a=float(np.average(tail_a, weights=calls)),
        tail_b=float(np.average(tail_b, weights=calls)),
        tail_p=sign_flip(excess, rng),
        tail_detectable=smallest_tail(excess, seen_calls, TAIL_ALPHA / LOOKS),
        control_low=math.exp(control[0]),
        control_high=math.exp(control[1]),
        drift=_drift(reference_a),
        foreign=_busiest_third([pair.foreign for pair in pairs if not math.isnan(pair.foreign)]),
        pairs=len(pairs),
        rounds=len(rounds),
        calls=int(calls.sum()),
    )
    throttled = any(pair.throttled for pair in pairs)
    longer = _calls_to_see(excess, seen_calls) / max(1, seen_calls)
    verdict, reason = _decide(seen, limits, throttled=throttled, longer=longer)
    return replace(seen, verdict=verdict, reason=reason)


def pairs_to_see_tail(pairs: Sequence[ProcessPair]) -> int:
    """How many pairs like these it takes to see SMALL_TAIL."""
    excess, calls = _excess(*_tails(pairs))
    return math.ceil(_calls_to_see(excess, calls) * max(1, len(pairs) - 1) / max(1, calls)) + 1  # one does not count


def _calls_to_see(excess: Samples, calls: int) -> float:
    return calls_to_see(SMALL_TAIL, excess, calls, TAIL_ALPHA / LOOKS)


def _decide(seen: Judgement, limits: Limits, *, throttled: bool, longer: float) -> tuple[Verdict, str]:
    """longer: how many times the calls it takes to see SMALL_TAIL."""
    if throttled:
        return Verdict.INVALID, "the machine throttled during the run: let it cool, and compare again"
    if seen.foreign > MAX_FOREIGN:
        return Verdict.INVALID, (
            f"other programs took {share(seen.foreign)} of the processors' time in the busiest third of the run "
            f"(limit {share(MAX_FOREIGN)}): end them, and compare again"
        )
    if seen.control_low > limits.regressed_above or seen.control_high < 1 / limits.regressed_above:
        return Verdict.INVALID, (
            f"the fixed workload, which is the same for both, was {percent(seen.control_low)} to "
            f"{percent(seen.control_high)} slower with B: the machine favoured one of them, compare again"
        )
    if seen.pairs < MIN_PAIRS:
        return Verdict.INCONCLUSIVE, (
            f"{seen.pairs} pairs of processes were measured, {MIN_PAIRS} are needed: give more time"
        )
    if seen.low > limits.regressed_above:
        return Verdict.REGRESSED, f"B is slower than A by {percent(seen.low)} or more"
    if seen.tail_p < TAIL_ALPHA / LOOKS:
        return Verdict.REGRESSED, (
            f"{share(seen.tail_b)} of B's calls took more than {TAIL:g} times their median, "
            f"of A's {share(seen.tail_a)} (p = {seen.tail_p:.1g})"
        )
    if seen.detectable > limits.blind_above:
        return Verdict.INCONCLUSIVE, (
            f"slowdowns up to {percent(seen.detectable)} could have gone unseen "
            f"(limit {percent(limits.blind_above)}): give more time or a quieter machine"
        )
    unseen = f"up to {share(seen.tail_detectable)} of the calls could have become slow unseen"
    more = f"give {math.ceil(longer * 10) / 10:g} times the time to see {share(SMALL_TAIL)}"
    if seen.tail_detectable > limits.tail_above:
        return Verdict.INCONCLUSIVE, f"{unseen} (limit {share(limits.tail_above)}): {more}"
    if seen.high < limits.passed_below:
        known = limits is STORED or seen.tail_detectable <= SMALL_TAIL
        rest = "" if known else f"; {unseen}: {more}"
        return Verdict.PASS, f"B is not slower than A by {percent(limits.passed_below)} or more{rest}"
    return Verdict.INCONCLUSIVE, f"the limit of {percent(limits.passed_below)} is between the bounds: give more time"


def refuse(a: Mapping[str, str], b: Mapping[str, str]) -> Judgement | None:
    """REFUSED with the names of the facts that differ and must not (facts.py), or None if there are none."""
    names = differing(a, b)
    return Judgement(Verdict.REFUSED, refusal(names, a, b)) if names else None


def judge_records(a: LatencyRecord, b: LatencyRecord, *, seed: int = 0, varies: Collection[str] = ()) -> Judgement:
    """The verdict on what two files hold. It proves less than judge on an interleaved run: nothing shows
    what the machine did in between, so the limits are those of STORED.

    varies: facts that are meant to differ.
    """
    conditions = [
        {k: v for k, v in {**r.machine, "frames": r.frames, "mode": r.mode}.items() if k not in varies} for r in (a, b)
    ]
    if refused := refuse(*conditions):
        return replace(refused, reason=f"{refused.reason}, or name with --varies what is meant to differ")
    blocks = [np.array_split(r.samples_ms[TOTAL], MIN_PAIRS) for r in (a, b)]
    pairs = [ProcessPair((Round(x, y),)) for x, y in zip(*blocks, strict=True)]
    return judge(pairs, limits=STORED, seed=seed)


def percent(ratio: float) -> str:
    """1.034 → "3.4 %"."""
    return f"{(ratio - 1) * 100:.1f} %"


def share(value: float) -> str:
    """0.034 → "3.4 %"."""
    return f"{value * 100:.1f} %"


def _bounds(draws: Samples) -> tuple[float, float]:
    """One-sided bounds at one look."""
    low, high = np.quantile(draws, [ALPHA / LOOKS, 1 - ALPHA / LOOKS])
    return float(low), float(high)


def _medians(samples: Sequence[Samples]) -> Samples:
    """(rounds,) NaN for a round without samples."""
    return np.array([np.median(s) if len(s) else math.nan for s in samples])


def _tails(pairs: Sequence[ProcessPair]) -> tuple[Samples, Samples, Samples]:
    """Each (pairs, rounds): the share of A's calls in the tail, of B's, and the calls of the arm with fewer."""
    a, b = (_shares([[getattr(r, arm) for r in pair.rounds] for pair in pairs]) for arm in ("a_ms", "b_ms"))
    calls = np.array([[min(len(r.a_ms), len(r.b_ms)) for r in pair.rounds] for pair in pairs], np.float64)
    return a, b, calls


def _shares(arm: Sequence[Sequence[Samples]]) -> Samples:
    """(pairs, rounds): share of one arm's calls in the tail.

    A process may be slower than its siblings from start to end: in an A/A comparison one of 18 took half as long again,
    by where its memory lay. The median over many processes judges such differences.
    """
    overall = float(np.median(np.concatenate([samples for process in arm for samples in process])))
    shares = []
    for process in arm:
        samples = np.concatenate(process)
        usual = float(np.median(samples)) if len(samples) >= TAIL_CALLS else overall
        shares.append([(turn > TAIL * usual).mean() for turn in process])
    return np.array(shares)


def _excess(tail_a: Samples, tail_b: Samples, calls: Samples) -> tuple[Samples, int]:
    """By how many calls B's tail exceeds A's in each round, and an arm's calls, without the pair of the largest excess.

    What happens in a single process is not a property of B: its rounds are not independent.
    """
    excess = (tail_b - tail_a) * calls
    if len(excess) > 1:
        most = int(excess.sum(axis=1).argmax())
        excess, calls = np.delete(excess, most, axis=0), np.delete(calls, most, axis=0)
    return excess.ravel(), int(calls.sum())


def _busiest_third(values: Sequence[float]) -> float:
    """The mean of the largest third: so that a short disturbance is not hidden by the rest. NaN if nothing is known."""
    return float(np.mean(sorted(values)[-max(1, len(values) // 3) :])) if values else math.nan


def _drift(medians: Samples) -> float:
    """How far the fixed workload's median, (rounds,), moved between thirds of the run, as a share."""
    known = medians[medians >= MIN_MS]
    if not len(known):
        return 0.0
    thirds = [np.median(part) for part in np.array_split(known, 3) if len(part)]
    return float(max(thirds) / min(thirds) - 1)
