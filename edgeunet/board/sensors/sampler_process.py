"""The process of the sampler: reads every sensor at a steady rate until stdin says stop.

Its first line on stdout is JSON: the names of its columns. Then it writes rows of float64 to an open file: the time
(ns, by the monotonic clock that all processes share), the CPU time it took so far (s), and a column for each name. It
imports only the standard library, so that it starts at once.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from array import array
from contextlib import suppress
from pathlib import Path
from select import select

from edgeunet.board.sensors.sysfs import sensors
from edgeunet.board.sensors.tegrastats import Tegrastats

FIRST_LINE_S = 1.0  # to wait for the first line of tegrastats
LEADING = 2  # columns before the sensors'


def main(root: Path, hz: float, pid: int, handle: int) -> None:
    """Sample until stdin has something to read or is closed. handle: the open file that rows are written to."""
    _leave_the_measured_cpus()
    found = sensors(root, pid)
    names = [sensor.name for sensor in found]
    tool, extra = None, []
    if not (any(name.endswith("_mw") for name in names) and "gpu_mhz" in names):
        tool = Tegrastats(root, 1 / hz)
        extra = lacking(names, tool.first(FIRST_LINE_S))
    try:
        sys.stdout.write(json.dumps([*names, *extra]) + "\n")
        sys.stdout.flush()
        due = time.perf_counter()
        while not select([sys.stdin], [], [], max(0.0, due - time.perf_counter()))[0]:
            line = tool.latest() if tool and extra else {}
            row = [sensor.read_or_nan() for sensor in found] + [line.get(name, math.nan) for name in extra]
            used = time.process_time() + (tool.cpu_seconds() if tool else 0.0)
            os.write(handle, array("d", [time.perf_counter_ns(), used, *row]).tobytes())
            due = max(due + 1 / hz, time.perf_counter())
    finally:
        if tool:
            tool.close()


def lacking(names: list[str], offered: dict[str, float]) -> list[str]:
    """Names that tegrastats has and the system files lack; in the files the clock of several cores is listed once."""
    clocks = any(name.startswith("cpu") and name.endswith("_mhz") for name in names)
    return [
        name
        for name in offered
        if name not in names and not (clocks and name.startswith("cpu") and name.endswith("_mhz"))
    ]


def _leave_the_measured_cpus() -> None:
    """Use the other CPUs, if the measurement is bound to some of them."""
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError):  # there are no others, or they are not allowed
            os.sched_setaffinity(0, set(range(os.sysconf("SC_NPROCESSORS_CONF"))) - os.sched_getaffinity(0))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
