"""An arm whose right verdict is known: work that is made slower by a given factor, or now and then takes twice as long.

`python -m benchmarks.studies.guard_trials.arm '{"slower": 1.05, …}'` speaks the arms' protocol. The work is a model, or
class shares of a small image by NumPy on one thread.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from edgeunet_bench.guard.running.model_arm import ModelOptions, opened
from edgeunet_bench.guard.running.protocol import answers, serve

TAIL_FACTOR = 2.0


@dataclass(frozen=True)
class Injection:
    """Every call takes `slower` times its time, and of all calls the share `tail` TAIL_FACTOR times."""

    slower: float = 1.0
    tail: float = 0.0


NOTHING = Injection()


@dataclass(frozen=True)
class ArmOptions:
    """What is called: a model, or the work of workload.py. starts: a file that each process makes a byte longer."""

    injection: Injection = NOTHING
    model: ModelOptions | None = None
    starts: str | None = None

    def argv(self) -> tuple[str, ...]:
        """The command that serves it."""
        return (sys.executable, "-m", "benchmarks.studies.guard_trials.arm", json.dumps(asdict(self)))


def injected(call: Callable[[int], float], injection: Injection) -> Callable[[int], float]:
    """`call`, which returns its time in ms, made slower. It keeps the processor busy meanwhile, as slower code would.

    Which calls are in the tail differs from process to process, as with a cause outside of them.
    """
    if injection == NOTHING:
        return call
    chance = random.Random()  # noqa: S311 - seeded by the system; no secret hangs on it

    def slower(i: int) -> float:
        own_ms = call(i)
        begin = time.perf_counter_ns()
        factor = injection.slower * (TAIL_FACTOR if chance.random() < injection.tail else 1.0)
        until = begin + own_ms * (factor - 1) * 1e6
        while (now := time.perf_counter_ns()) < until:
            pass
        return own_ms + (now - begin) / 1e6

    return slower


def main() -> None:
    given = json.loads(sys.argv[1])
    injection, starts = Injection(**given["injection"]), given["starts"]
    if starts:
        with Path(starts).open("ab") as file:
            file.write(b".")
    with answers() as out:
        if given["model"]:
            with opened(ModelOptions(**given["model"])) as (about, call):
                serve(out, about, injected(call, injection))
        else:
            about, call = prepared()
            serve(out, about, injected(call, injection))


ABOUT = "softmax of 160×224×3 float32"
SHAPE = (160, 224, 3)  # 0.7 ms on a server's processor, and in its second cache
WARM_CALLS = 100


def prepared() -> tuple[dict[str, str], Callable[[int], float]]:
    """The arm's facts, and a function that makes a warm call and returns its time in ms."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # starting threads that are never used takes longer than the import
    import numpy as np

    scores = np.random.default_rng(0).random(SHAPE, np.float32)
    shares = np.empty_like(scores)

    def call(_: int) -> float:
        begin = time.perf_counter_ns()
        np.exp(scores, out=shares)
        np.divide(shares, shares.sum(axis=2, keepdims=True), out=shares)
        return (time.perf_counter_ns() - begin) / 1e6

    for i in range(WARM_CALLS):
        call(i)
    return {"workload": ABOUT, "numpy": np.__version__}, call


if __name__ == "__main__":
    main()
