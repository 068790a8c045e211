"""One turn of a combination, in a fresh process: two processes alone can differ by 10 %, and a backend may crash."""

from __future__ import annotations

import io
import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import EdgeUNetError
from edgeunet.evaluation.score import score_masks
from edgeunet.latency.energy import energy
from edgeunet.latency.quantiles import Samples
from edgeunet.latency.record import TOTAL
from edgeunet.runtime import open_session
from edgeunet.runtime.model_identity import ModelFile
from edgeunet_bench.measure.input_frames import load_inputs
from edgeunet_bench.measure.measure_model import measure
from edgeunet_bench.measure.measure_options import MeasureOptions
from edgeunet_bench.sweep.grid import Combination

T = TypeVar("T")


class VisitError(EdgeUNetError):
    """The process failed; the message is its reason."""


@dataclass(frozen=True)
class Visit:
    """The result of one turn. about: Session.describe(). file: what was opened. times_ms: (n,) calls, end to end.

    energy_mj: of a frame, gross; None where nothing measures power. throttled: the machine reported throttling.
    """

    about: dict[str, str]
    file: ModelFile
    times_ms: Samples
    energy_mj: float | None = None
    throttled: bool = False


def measured(combination: Combination, data: Path | None, seconds: float) -> Visit:
    """Open the model in a process of its own, warm up, and time calls for `seconds`; raises VisitError."""
    return fresh(_measure, combination, data, seconds)


def scored(combination: Combination, data: Path, split: str) -> float:
    """mIoU, 0 to 1, of the model on a labelled split, with that backend; raises VisitError."""
    return fresh(_score, combination, data, split)


def fresh(work: Callable[..., T], *arguments: object) -> T:
    """The result of work(*arguments) in a new process that ignores Ctrl-C; raises VisitError with its error."""
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(1, context) as pool:
            with _uninterrupted():
                future = pool.submit(_told, work, *arguments)
            result = future.result()
    except BrokenProcessPool as error:
        raise VisitError("the process ended unexpectedly: `edgeunet bench run` may show why") from error
    if isinstance(result, _Failure):
        raise VisitError(result.reason)
    return result


@dataclass(frozen=True)
class _Failure:
    reason: str


def _told(work: Callable[..., T], *arguments: object) -> T | _Failure:
    """Not every error can be sent between processes; its message can."""
    try:
        return work(*arguments)
    except EdgeUNetError as error:
        return _Failure(str(error))


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A process that starts here ignores Ctrl-C; the parent gets it afterwards."""
    heard: list[int] = []
    # The child inherits the mask. It alone would not do: another thread of this process may take the signal.
    handler = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
    if heard:
        raise KeyboardInterrupt


def _measure(combination: Combination, data: Path | None, seconds: float) -> Visit:
    path = combination.variant.path
    inputs = load_inputs(data, combination.variant.spec)
    with (
        open_session(path, threads=combination.threads, backend=combination.backend) as session,
        redirect_stderr(io.StringIO()),  # the sweep has a progress bar of its own
    ):
        record = measure(session, inputs, MeasureOptions(seconds=seconds))
        throttled = record.telemetry is not None and record.telemetry.throttled
        power = energy(record)
        gross_mj = None if power is None else power.gross_mj
        return Visit(session.describe(), session.file, record.samples_ms[TOTAL], gross_mj, throttled)


def _score(combination: Combination, data: Path, split: str) -> float:
    variant = combination.variant
    samples = load_split(DatasetFolder.open(data, variant.spec.pixels), split, quiet=True)
    with open_session(variant.path, backend=combination.backend) as session:
        return score_masks(session.segment, samples, len(variant.spec.classes)).miou
