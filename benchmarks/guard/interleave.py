"""Running two models against each other: fresh processes in pairs, rounds in random order, a reference beside them."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.guard.judge import LOOKS, MIN_PAIRS, Judgement, Round, Verdict, judge, refuse
from benchmarks.guard.worker import REFERENCE_CALLS, ModelArm, Worker
from edgeunet.board.fingerprint import fingerprint
from edgeunet.console import progress
from edgeunet.errors import UsageError
from edgeunet.record import Samples

ROUNDS = 3  # of one pair of processes
ROUND_S = 0.15  # that one arm runs in a round
MIN_CALLS = 4  # in a round of a slow model, the first of which is not judged


@dataclass(frozen=True)
class CompareOptions:
    """seconds: no pair starts that would end later, if it took as long as the slowest; a clear result ends sooner.

    seed: of the order of the arms and of the bootstrap.
    """

    seconds: float = 60.0
    seed: int = 0
    data: Path | None = None
    threads: int | None = None
    backend: str | None = None

    def __post_init__(self) -> None:
        if self.seconds <= 0:
            raise UsageError(f"the time to compare must be above 0 seconds, got {self.seconds:g}")


@dataclass(frozen=True)
class Comparison:
    """The judgement and the samples it rests on."""

    judgement: Judgement
    pairs: tuple[tuple[Round, ...], ...]


def interleave(a: str | Path, b: str | Path, options: CompareOptions) -> Comparison:
    """Measure two model files and judge B against A, after 9, 18 and 27 pairs of processes.

    Stops at the first look that is not INCONCLUSIVE, or when another pair would not fit into the time.
    Raises what opening a model raises.
    """
    begin = time.perf_counter()
    rng = np.random.default_rng(options.seed)
    arms = [ModelArm(Path(model), options.data, options.threads, options.backend) for model in (a, b)]
    pairs: list[tuple[Round, ...]] = []
    judgement = Judgement(Verdict.INCONCLUSIVE, "nothing was measured")
    bar = progress()
    bar.live.auto_refresh = False  # drawing from a thread of its own would take time from the samples
    with bar, Worker(None) as reference:
        reference.ready()
        task = bar.add_task("comparing", total=MIN_PAIRS, note="")
        slowest = 0.0
        while len(pairs) < LOOKS * MIN_PAIRS:
            started = time.perf_counter()
            if started - begin + slowest > options.seconds:
                return Comparison(judge(pairs, seed=options.seed), tuple(pairs))
            measured = _pair(arms, reference, rng)
            if isinstance(measured, Judgement):
                return Comparison(measured, ())
            pairs.append(measured)
            slowest = max(slowest, time.perf_counter() - started)
            bar.update(task, completed=len(pairs), refresh=True)
            if len(pairs) % MIN_PAIRS == 0:
                judgement = judge(pairs, seed=options.seed)
                if judgement.verdict is not Verdict.INCONCLUSIVE:
                    break
                bar.update(task, total=min(len(pairs) + MIN_PAIRS, LOOKS * MIN_PAIRS), note="not clear yet")
    return Comparison(judgement, tuple(pairs))


def _pair(arms: list[ModelArm], reference: Worker, rng: np.random.Generator) -> tuple[Round, ...] | Judgement:
    """The rounds of one fresh process for each arm, or REFUSED if they do not run under the same conditions."""
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(arm)) for arm in arms]
        abouts, calls_s = zip(*(worker.ready() for worker in workers), strict=True)
        if refused := refuse(*(fingerprint(about) for about in abouts)):
            return refused
        calls = [max(MIN_CALLS, math.ceil(ROUND_S / call_s)) for call_s in calls_s]
        return tuple(_round(workers, calls, reference, rng) for _ in range(ROUNDS))


def _round(workers: list[Worker], calls: list[int], reference: Worker, rng: np.random.Generator) -> Round:
    samples: dict[int, Samples] = {}
    references = []
    for arm in rng.permutation(2).tolist():
        # Between the arms the reference gives the other's threads time to fall asleep.
        references.append(reference.measure(REFERENCE_CALLS))
        samples[arm] = workers[arm].measure(calls[arm])
    return Round(samples[0], samples[1], np.concatenate(references))
