"""A process that runs one arm of a comparison: it opens, warms up, and then times calls when asked."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from benchmarks.measure.inputs import load_inputs
from benchmarks.measure.single import timed_call, warm_up
from edgeunet.errors import EdgeUNetError
from edgeunet.record import Samples
from edgeunet.runtime import open_session

REFERENCE_SIZE = 384  # of a square float32 matrix product: about 1 ms on all cores
REFERENCE_CALLS = 20  # a round
MAX_WARMUP_S = 1.0  # on a machine too busy to settle, more pairs of processes are worth more than warmer ones


@dataclass(frozen=True)
class ModelArm:
    """A model file on real frames."""

    model: Path
    data: Path | None
    threads: int | None
    backend: str | None


class Worker:
    """A fresh process for one arm; None is the reference workload. Use it in a `with` statement.

    Entering does not wait for the process to be ready, so that several can start side by side.
    """

    def __init__(self, arm: ModelArm | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, arm), daemon=True)
        with _environment(_REFERENCE_ENVIRONMENT if arm is None else {}):
            self._process.start()
        theirs.close()

    def ready(self) -> tuple[dict[str, str], float]:
        """Wait until it has warmed up; gives Session.describe() and the median time of a call in seconds."""
        about, call_s = self._answer_to(None)
        return about, call_s

    def measure(self, calls: int) -> Samples:
        """(calls,) ms, one call after another."""
        samples: Samples = self._answer_to(calls)
        return samples

    def _answer_to(self, request: int | None) -> Any:
        """What it sends next; raises the error that it met, or one that says that it is gone."""
        try:
            if request is not None:
                self._ours.send(request)
            value = self._ours.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise EdgeUNetError(
                f"a measuring process ended by itself (exit code {self._process.exitcode}): "
                "run `edgeunet bench run` on each model to see which one fails"
            ) from None
        if isinstance(value, EdgeUNetError):
            raise value
        return value

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ours.close()
        self._process.terminate()
        self._process.join()


# The matrix library's threads would wait for work actively, and take time from the model that runs next.
_REFERENCE_ENVIRONMENT = {"OPENBLAS_THREAD_TIMEOUT": "4", "KMP_BLOCKTIME": "0", "OMP_WAIT_POLICY": "PASSIVE"}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(pipe: Connection, arm: ModelArm | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    try:
        if arm is None:
            _answer(pipe, {}, _reference())
            return
        inputs = load_inputs(arm.data)
        with open_session(arm.model, threads=arm.threads, backend=arm.backend) as session:
            warm_up(session, inputs.frames, MAX_WARMUP_S)
            frames = inputs.frames
            _answer(pipe, session.describe(), lambda i: timed_call(session, frames[i % len(frames)]).total)
    except EdgeUNetError as error:
        pipe.send(error)


def _answer(pipe: Connection, about: dict[str, str], call: Callable[[int], int]) -> None:
    pipe.send((about, float(np.median([call(i) for i in range(5)])) / 1e9))
    while True:
        try:
            calls = pipe.recv()
        except EOFError:
            return
        pipe.send(np.array([call(i) for i in range(calls)], np.float64) / 1e6)


def _reference() -> Callable[[int], int]:
    """A fixed piece of work: what its time does, the machine did."""
    a = np.random.default_rng(0).random((REFERENCE_SIZE, REFERENCE_SIZE), np.float32)
    out = np.empty_like(a)

    def call(_: int) -> int:
        begin = time.perf_counter_ns()
        np.matmul(a, a, out=out)
        return time.perf_counter_ns() - begin

    for i in range(REFERENCE_CALLS):
        call(i)
    return call
