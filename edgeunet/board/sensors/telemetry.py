"""Sampling the machine during a measurement: clocks, temperatures, throttling, power, load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from select import select

import numpy as np
from numpy.typing import NDArray

from edgeunet.board.machine import ROOT
from edgeunet.board.sensors.power_rails import whole
from edgeunet.board.sensors.sampler_process import LEADING
from edgeunet.errors import UsageError
from edgeunet.latency.record import Telemetry

READY_S = 10.0  # the process may take to find the sensors
STOP_S = 5.0  # the process may take to end: a sensor on a stuck bus may block it


class Sampler:
    """Samples in a process of its own during `with`, `hz` times per second; telemetry() returns the samples.

    A process, not a thread: reading 40 sensors 10 times per second takes 0.5 % of one core. In a thread, a sample adds
    0.25 ms to a call of 1 ms at the same moment; in a process it adds nothing measurable
    (benchmarks/results/telemetry_cost.json). Every Telemetry holds the cost that was measured.

    root: where the system's files are looked up. pid: the process whose memory is sampled [default: this one].
    A sensor that fails raises no error; without any sensor there is no telemetry.
    """

    def __init__(self, root: Path = ROOT, hz: float = 10.0, pid: int | None = None) -> None:
        if not 0 < hz <= 1000:
            raise UsageError(f"the machine can be sampled up to 1000 times per second, got {hz:g}")
        self._arguments = [str(root), repr(hz), str(os.getpid() if pid is None else pid)]
        self._process: subprocess.Popen[bytes] | None = None
        self._file = -1
        self._names: list[str] = []
        self._rows: NDArray[np.float64] | None = None

    def __enter__(self) -> Sampler:
        if hasattr(os, "memfd_create"):  # Linux: a file in memory, so that no disk is used meanwhile
            self._file = os.memfd_create("telemetry")
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self._rows = self._read()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    @property
    def rails(self) -> tuple[str, ...]:
        """Names of the rails whose sum is the total power; empty if the energy is unknown."""
        return whole(self._names)

    def telemetry(self, origin_ns: int, idle_ns: tuple[int, int] | None = None) -> Telemetry | None:
        """The samples until now; None if there are none. Columns without any value are left out.

        origin_ns: the first sample of latency, by time.perf_counter_ns().
        idle_ns: begin and end of the time when nothing ran, by the same clock; the idle power is the mean over it.
        """
        rows = self._read() if self._rows is None else self._rows
        columns = zip(self._names, rows.T[LEADING:], strict=True)
        values = {name: column for name, column in columns if np.isfinite(column).any()}
        if not values:
            return None
        times_ns, cpu_s = rows[:, 0], rows[:, 1]
        rails = whole(values)
        passed_s = (times_ns[-1] - times_ns[0]) / 1e9
        return Telemetry(
            times_ms=(times_ns - origin_ns) / 1e6,
            values=values,
            rails=rails,
            idle_mw=_mean_between(times_ns, [values[rail] for rail in rails], idle_ns) if rails and idle_ns else None,
            cost=float((cpu_s[-1] - cpu_s[0]) / passed_s) if passed_s > 0 else 0.0,
        )

    def _start(self) -> None:
        """Start the process and wait until it has found the sensors."""
        module = "edgeunet.board.sensors.sampler_process"
        command = [sys.executable, "-S", "-m", module, *self._arguments, str(self._file)]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=[self._file],
                start_new_session=True,  # Ctrl-C is for the measurement
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            )
        except OSError:
            return
        if self._process.stdout and select([self._process.stdout], [], [], READY_S)[0]:
            line = self._process.stdout.readline()
            self._names = json.loads(line) if line.endswith(b"\n") else []

    def _stop(self) -> None:
        if self._process is None:
            return
        try:
            self._process.communicate(b"stop", timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _read(self) -> NDArray[np.float64]:
        """All whole rows, (k, LEADING + names) float64."""
        columns = LEADING + len(self._names)
        data = os.pread(self._file, os.fstat(self._file).st_size, 0) if self._file >= 0 else b""
        return np.frombuffer(data, np.float64, len(data) // (8 * columns) * columns).reshape(-1, columns)


def _mean_between(
    times_ns: NDArray[np.float64], columns: list[NDArray[np.float64]], span: tuple[int, int]
) -> float | None:
    """Mean of the sum of the columns from span[0] to span[1], over the rows with a value in every column; None if there
    is no such row."""
    inside = np.sum(columns, axis=0)[(times_ns >= span[0]) & (times_ns <= span[1])]
    inside = inside[np.isfinite(inside)]
    return max(0.0, float(inside.mean())) if len(inside) else None  # a rail at rest can read a little below 0
