"""Running two arms against each other: pairs of fresh processes, turns of milliseconds in random order.

A shared machine changes its speed by a quarter within tenths of a second, each of its processors by itself. Of a call
of 0.6 ms there, in 9 pairs, the ratio's standard error was 3.3 % with turns of 150 ms, 1.5 % with turns of 25 ms, and
with both arms held on one processor 1.4 % with turns of 150 ms, 0.2 % with 25 ms and 0.08 % with 10 ms.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.machine import usable_cpus
from edgeunet.errors import UsageError
from edgeunet.latency.quantiles import Samples
from edgeunet.utils.console import progress
from edgeunet.utils.limits import require_seconds, require_seed
from edgeunet_bench.guard.judging.facts import hardware
from edgeunet_bench.guard.judging.judgement import (
    EARLY,
    INTERLEAVED,
    LOOKS,
    MIN_PAIRS,
    SMALL_TAIL,
    Judgement,
    Limits,
    Verdict,
    judge,
    pairs_to_see_tail,
    refuse,
)
from edgeunet_bench.guard.judging.samples import NONE, ProcessPair, Round
from edgeunet_bench.guard.running.arms import RunArm, TurnArm
from edgeunet_bench.guard.running.interference import ForeignLoad, own_ticks, throttling, ticks_of
from edgeunet_bench.guard.running.reference import REFERENCE, REFERENCE_ENVIRONMENT
from edgeunet_bench.guard.running.worker import Worker

if TYPE_CHECKING:
    from rich.progress import Progress

TURN_MS = 10.0  # that one arm runs before the other
MIN_CALLS = 3  # in a turn, the first of which is not judged
ROUNDS = (4, 60)  # of one pair of processes, at least and at most
PAIR_MS = 900.0  # of one pair's turns, at most, in a minute: the first look comes within 10 s of measuring
LONGER = 4.0  # times as long, at most, where there is more time: more calls for each start of a process
FIRST_PAIRS = 3  # after which it is told how long a small tail takes to see
RUNS_S = 0.4  # that one pair of commands lasts at least
REFERENCE_CALLS = 4  # before a turn, the first of which is not judged
SECOND_LOOK = 3 * MIN_PAIRS  # or when a small tail could be seen; the first is at MIN_PAIRS, the last when time is up
Arms = tuple[TurnArm | RunArm, TurnArm | RunArm]


@dataclass(frozen=True)
class CompareOptions:
    """seconds: no pair starts that would end later, if it took as long as the slowest; a clear result ends sooner.

    seed: of the order of the arms and of the bootstrap.
    """

    seconds: float = 60.0
    seed: int = 0

    def __post_init__(self) -> None:
        require_seconds("--seconds", self.seconds)
        require_seed(self.seed)


@dataclass
class Interleaved:
    """What was measured, and the judgement at each look; the last one holds."""

    pairs: list[ProcessPair] = field(default_factory=list)
    looks: list[Judgement] = field(default_factory=list)
    machine: dict[str, str] = field(default_factory=dict)  # facts that both arms share
    own: tuple[dict[str, str], dict[str, str]] = field(
        default_factory=lambda: ({}, {})
    )  # facts of A, of B, that differ
    partial: bool = False  # interrupted


def interleave(
    a: TurnArm | RunArm,
    b: TurnArm | RunArm,
    options: CompareOptions,
    bar: Progress | None = None,
    limits: tuple[Limits, Limits] = (EARLY, INTERLEAVED),
) -> Interleaved:
    """Measure two arms and judge B against A: after 9 pairs of processes, after 27 (or as many as it takes to see a
    small tail), and when the time is up.

    Ends at the first look that is not INCONCLUSIVE. Ctrl-C ends it without a verdict and keeps what was measured.
    Raises what opening a model or running a command raises. bar: one that is shown already, to add a task to.
    limits: of the first looks, and of the last.
    """
    measured = Interleaved()
    try:
        with Worker(REFERENCE, REFERENCE_ENVIRONMENT) as reference:
            reference.ready()
            _compare(_Bench((a, b), reference, options), measured, options, bar, limits)
    except KeyboardInterrupt:
        if not measured.pairs:
            raise
        measured.partial = True
        measured.looks.append(judge_of(measured, options.seed))
    return measured


def judge_of(measured: Interleaved, seed: int, limits: Limits = INTERLEAVED) -> Judgement:
    """The judgement of the samples; without a verdict if they were interrupted: that was not a planned look."""
    judgement = judge(measured.pairs, limits=limits, seed=seed)
    if not measured.partial:
        return judgement
    reason = f"interrupted after {len(measured.pairs)} pairs of processes: compare again"
    return replace(judgement, verdict=Verdict.INCONCLUSIVE, reason=reason)


def _compare(
    bench: _Bench,
    measured: Interleaved,
    options: CompareOptions,
    shown: Progress | None,
    limits: tuple[Limits, Limits],
) -> None:
    early, last = limits
    begin = time.perf_counter()
    slowest = 0.0
    bar = shown or progress(by_itself=False)
    with nullcontext() if shown else bar:
        task = bar.add_task("comparing (s)", total=options.seconds, note="")
        while len(measured.looks) < LOOKS:
            started = time.perf_counter()
            if started - begin + slowest > options.seconds:
                measured.looks.append(judge_of(measured, options.seed, last))
                return
            pair = bench.pair(measured)
            if isinstance(pair, Judgement):
                measured.looks.append(pair)
                return
            measured.pairs.append(pair)
            slowest = max(slowest, time.perf_counter() - started)
            so_far, done = time.perf_counter() - begin, len(measured.pairs)
            needed = max(SECOND_LOOK, pairs_to_see_tail(measured.pairs))
            note = f"{done} pairs of processes"
            if done >= FIRST_PAIRS and early.tail_above < 1:
                note += f"; a tail of {SMALL_TAIL:.0%} shows in about {so_far / done * needed:.0f} s"
            bar.update(task, completed=so_far, note=note, refresh=True)
            if done == MIN_PAIRS or (done >= needed and len(measured.looks) == 1):
                measured.looks.append(judge_of(measured, options.seed, early))
                if measured.looks[-1].verdict is not Verdict.INCONCLUSIVE:
                    return


class _Bench:
    """Measures one pair of processes after another; the first decides how long turns and pairs are."""

    def __init__(self, arms: Arms, reference: Worker, options: CompareOptions) -> None:
        self._arms = arms
        self._reference = reference
        self._longer = min(LONGER, max(1.0, options.seconds / CompareOptions.seconds))
        self._rng = np.random.default_rng(options.seed)
        self._throttled = throttling()
        self._calls = self._rounds = 0

    def pair(self, measured: Interleaved) -> ProcessPair | Judgement:
        """One pair, or REFUSED if the arms run on two machines. Fills in the facts of both."""
        a, b = self._arms
        if isinstance(a, RunArm) and isinstance(b, RunArm):
            measured.machine.update(fingerprint({}))
            return self._runs(a, b)
        if isinstance(a, TurnArm) and isinstance(b, TurnArm):
            return self._turns(a, b, measured)
        raise UsageError("a --turns command can be compared only with another --turns command, or with a model")

    def _runs(self, a: RunArm, b: RunArm) -> ProcessPair:
        """Short commands run several times in a pair, so that there is time to see what else runs."""
        if not self._rounds:
            begin = time.perf_counter()
            self._round([a.run, b.run])
            self._rounds = min(ROUNDS[1], math.ceil(RUNS_S / (time.perf_counter() - begin)))
        return self._observed([], lambda: tuple(self._round([a.run, b.run]) for _ in range(self._rounds)))

    def _turns(self, a: TurnArm, b: TurnArm, measured: Interleaved) -> ProcessPair | Judgement:
        begin = time.perf_counter()
        with Worker(a.argv) as worker_a, Worker(b.argv) as worker_b:
            workers = (worker_a, worker_b)
            facts = fingerprint(worker_a.ready()), fingerprint(worker_b.ready())
            measured.machine, measured.own = _shared(*facts)
            if refused := refuse(*map(hardware, facts)):
                return refused
            if not self._rounds:
                self._plan(workers, time.perf_counter() - begin)
            turns = [partial(worker.measure, self._calls) for worker in workers]
            return self._observed(
                [worker.pid for worker in workers], lambda: tuple(self._round(turns) for _ in range(self._rounds))
            )

    def _plan(self, workers: Sequence[Worker], start_s: float) -> None:
        """Turns of TURN_MS of the slower arm, and measuring for as long as the start took, up to PAIR_MS, or LONGER."""
        call_ms = max(float(np.median(worker.measure(MIN_CALLS))) for worker in workers)
        self._calls = max(MIN_CALLS, 1 + math.ceil(TURN_MS / call_ms))
        low, high = ROUNDS
        self._rounds = min(
            high, max(low, int(self._longer * min(start_s * 1e3, PAIR_MS) / (2 * self._calls * call_ms)))
        )

    def _observed(self, pids: Sequence[int], measure: Callable[[], tuple[Round, ...]]) -> ProcessPair:
        """The rounds, with what other programs did meanwhile. pids: of the arms that run on."""
        pids = [self._reference.pid, *pids]
        self._throttled()  # what was before does not count
        load, own = ForeignLoad(usable_cpus()), own_ticks() + ticks_of(pids)
        rounds = measure()
        return ProcessPair(rounds, load.share(own_ticks() + ticks_of(pids) - own), self._throttled())

    def _round(self, turns: Sequence[Callable[[], Samples]]) -> Round:
        """Both arms once, in random order, each after the fixed workload."""
        samples, references = [NONE, NONE], [NONE, NONE]
        for arm in self._rng.permutation(2).tolist():
            references[arm] = self._reference.measure(REFERENCE_CALLS)[1:]
            samples[arm] = turns[arm]()
        skip = 1 if self._calls else 0  # the first call after a switch; a command that runs whole has no switch
        a, b = samples
        return Round(a[skip:], b[skip:], a[:skip], b[:skip], *references)


def _shared(a: dict[str, str], b: dict[str, str]) -> tuple[dict[str, str], tuple[dict[str, str], dict[str, str]]]:
    """The facts on which both agree, and what is each arm's own."""
    same = dict(a.items() & b.items())
    own = tuple({name: value for name, value in facts.items() if name not in same} for facts in (a, b))
    return {name: value for name, value in a.items() if name in same}, (own[0], own[1])
