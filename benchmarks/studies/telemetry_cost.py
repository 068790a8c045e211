"""`python -m benchmarks.studies.telemetry_cost -o FILE`: what sampling the machine costs a call of 1 ms.

Three arms take turns in random order, 1 s each: no sampler, the sampler's process, and the same reads in a thread of
the measuring process. The sensors are 40 files in memory with a number each, about what a Jetson has: without the
time that a real one takes to answer, which a reader sleeps through. The call is half a millisecond of matrix products,
which let go of Python's lock, and half a millisecond of Python, which does not. For each sample, the calls that it
touches are compared with the median of those around it, so that what else runs on the machine is in all arms alike.
On a busy machine, run it before the others: `chrt -r 1 python -m …`, which is the priority in the result.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Any

import numpy as np

from benchmarks.studies.study import Output, Rounds, Study, rounds_of, run
from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.sensors.sysfs import sensors
from edgeunet.board.sensors.telemetry import Sampler
from edgeunet.cli.common_options import Force
from edgeunet.errors import EdgeUNetError
from edgeunet.utils import console

STUDY = Study(__doc__ or "", "edgeunet.telemetry-cost/1")
SENSORS = 40
HZ = 10.0
TURN_S = 1.0
PART_S = 0.0005  # of a call, each of two
NO_PROCESS = 0
AROUND = 10  # calls before and after a sample


def made_sensors(root: Path) -> None:
    """Thermal zones as Linux shows them, SENSORS of them."""
    for number in range(SENSORS):
        zone = root / f"sys/class/thermal/thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "type").write_text(f"zone{number}-thermal\n")
        (zone / "temp").write_text("46031\n")


class Nothing:
    """No sampler: times at its rate at which nothing happens."""

    def __enter__(self) -> Nothing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def times_ns(self, begin_ns: int, end_ns: int) -> list[float]:
        return [float(at) for at in np.arange(begin_ns, end_ns, 1e9 / HZ)]


class InProcess(Sampler):
    """The sampler without changes."""

    def times_ns(self, begin_ns: int, end_ns: int) -> list[float]:
        told = self.telemetry(0)
        return [] if told is None else (told.times_ms * 1e6).tolist()


class InThread(Nothing):
    """The sampler's reads at its rate, in a thread of this process."""

    def __init__(self, root: Path) -> None:
        self._sensors = sensors(root, NO_PROCESS)
        self._rows: list[list[float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> InThread:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def times_ns(self, begin_ns: int, end_ns: int) -> list[float]:
        return [row[0] for row in self._rows]

    def _sample(self) -> None:
        while not self._ended.wait(1 / HZ):
            row = [sensor.read() for sensor in self._sensors]
            self._rows.append([time.perf_counter_ns(), *row])


class Workload:
    """About 1 ms of work on one core."""

    def __init__(self) -> None:
        self._a = np.random.default_rng(0).random((128, 128), np.float32)
        self._out = np.empty_like(self._a)
        self._products = self._times(self._product)
        self._sums = self._times(self._sum)

    def __call__(self) -> None:
        for _ in range(self._products):
            self._product()
        for _ in range(self._sums):
            self._sum()

    def _product(self) -> None:
        np.matmul(self._a, self._a, out=self._out)

    def _sum(self) -> None:
        sum(range(500))

    @staticmethod
    def _times(part: Any) -> int:
        """How often a part is run to take PART_S."""
        times = []
        for _ in range(200):
            begin = time.perf_counter()
            part()
            times.append(time.perf_counter() - begin)
        return max(1, round(PART_S / median(times)))


def compare(rounds: int) -> dict[str, Any]:
    """Measure the arms `rounds` times and return the content of the result file."""
    call, rng = Workload(), np.random.default_rng(0)
    added_ms: dict[str, list[float]] = {"none": [], "process": [], "thread": []}
    calls_ms: dict[str, list[float]] = {name: [] for name in added_ms}
    costs = []
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        root = Path(folder)
        made_sensors(root)
        for _ in rounds_of(rounds):
            process = InProcess(root, HZ, NO_PROCESS)
            arms: dict[str, Nothing | InProcess] = {"none": Nothing(), "process": process, "thread": InThread(root)}
            for name in rng.permutation(list(arms)).tolist():
                times_ms, added = _turn(call, arms[name])
                calls_ms[name] += times_ms
                added_ms[name] += added
            told = process.telemetry(0)
            costs += [] if told is None else [told.cost]
    if missing := [name for name, values in added_ms.items() if not values]:
        raise EdgeUNetError(f"the arm {missing[0]} has no sample: give more --rounds, or end other programs")
    return {
        "machine": fingerprint({}),
        "hz": HZ,
        "sensors": SENSORS,
        "cost_of_one_core": median(costs),
        "call_ms": {name: _statistics(values) for name, values in calls_ms.items()},
        "added_by_a_sample_ms": {name: _statistics(values) for name, values in added_ms.items()},
    }


def _turn(call: Workload, sampler: Nothing | InProcess) -> tuple[list[float], list[float]]:
    """The time of each call, and for each sample by how much the calls it touched took longer than others, in ms."""
    with sampler:
        begin = time.perf_counter_ns()
        stamps = [begin]
        while stamps[-1] < begin + TURN_S * 1e9:
            call()
            stamps.append(time.perf_counter_ns())
    ends = np.array(stamps[1:], np.float64)
    times_ms = np.diff(stamps) / 1e6
    added = []
    for at in sampler.times_ns(begin, stamps[-1]):
        last = int(np.searchsorted(ends, at))
        if AROUND <= last < len(ends) - AROUND:
            usual = float(np.median(times_ms[last - AROUND : last + AROUND]))
            # A sample ends at its time; the call before may hold its beginning, the one after what it pushed aside.
            added.append(float(times_ms[last - 1 : last + 2].sum() - 3 * usual))
    return times_ms.tolist(), added


def _statistics(values: list[float]) -> dict[str, float]:
    p50, p90, p99 = (float(quantile) for quantile in np.quantile(values, [0.5, 0.9, 0.99]))
    return {"n": len(values), "median": p50, "p90": p90, "p99": p99}


def main(
    output: Output,
    rounds: Rounds = 40,
    force: Force = False,
) -> None:
    """Measure what sampling adds to a call."""
    result = STUDY.keep(output, lambda: compare(rounds), force=force)
    out = console.stdout()
    for arm, calls in result["call_ms"].items():
        added = result["added_by_a_sample_ms"][arm]
        out.print(
            f"{arm}: a call takes {calls['median']:.3f} ms (p99 {calls['p99']:.3f}); a sample adds "
            f"{added['median']:.3f} ms (p90 {added['p90']:.3f}) to those it touches"
        )
    out.print(f"the process took {result['cost_of_one_core']:.2%} of one core")


if __name__ == "__main__":
    run(main)
