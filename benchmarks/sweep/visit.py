"""One turn of a combination, in a fresh process: two processes alone can differ by 10 %, and a backend may crash."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.measure.inputs import load_inputs
from benchmarks.measure.single import timed_call, warm_up
from benchmarks.sweep.grid import Combination
from edgeunet.data.folder import DatasetFolder
from edgeunet.errors import EdgeUNetError
from edgeunet.evaluation import evaluate
from edgeunet.record import Samples
from edgeunet.runtime import open_session

T = TypeVar("T")
MAX_WARMUP_S = 2.0


class VisitError(EdgeUNetError):
    """The process could not do what it was asked for; the message is its reason."""


@dataclass(frozen=True)
class Visit:
    """What one turn gave. times_ms: (n,) calls, end to end. about: Session.describe()."""

    about: dict[str, str]
    times_ms: Samples


def measured(combination: Combination, data: Path | None, seconds: float) -> Visit:
    """Open the model in a process of its own, warm up, and time calls for `seconds`; raises VisitError."""
    return _fresh(_measure, combination, data, seconds)


def scored(combination: Combination, data: Path, split: str) -> float:
    """mIoU, 0 to 1, of the model on a labelled split, with that backend; raises VisitError."""
    return _fresh(_score, combination, data, split)


def _fresh(work: Callable[..., T], *arguments: object) -> T:
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, context, initializer=_leave_interrupts) as pool:
            result = pool.submit(_told, work, *arguments).result()
    except BrokenProcessPool as error:
        raise VisitError("the process that ran it ended by itself: `edgeunet bench run` may show why") from error
    if isinstance(result, _Failure):
        raise VisitError(result.reason)
    return result


@dataclass(frozen=True)
class _Failure:
    reason: str


def _told(work: Callable[..., T], *arguments: object) -> T | _Failure:
    """Not every error survives the way between two processes; its message does."""
    try:
        return work(*arguments)
    except EdgeUNetError as error:
        return _Failure(str(error))


def _leave_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks


def _measure(combination: Combination, data: Path | None, seconds: float) -> Visit:
    frames = load_inputs(data).frames
    path = combination.variant.path
    with open_session(path, threads=combination.threads, backend=combination.backend) as session:
        warm_up(session, frames, MAX_WARMUP_S)
        times: list[int] = []
        end = time.perf_counter() + seconds
        while not times or time.perf_counter() < end:
            times.append(timed_call(session, frames[len(times) % len(frames)]).total)
        return Visit(session.describe(), np.array(times, np.float64) / 1e6)


def _score(combination: Combination, data: Path, split: str) -> float:
    variant = combination.variant
    samples = DatasetFolder.open(data).load(split)
    with open_session(variant.path, backend=combination.backend) as session:
        return evaluate(session.segment, samples, len(variant.spec.classes)).miou
