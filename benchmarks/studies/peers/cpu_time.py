"""Clocks of a program that count its own CPU time.

A trainer then ends its time budget after so many seconds of its own work, whatever else the machine does, and its
schedule fits. With the standard library alone: the peer's programs use it too.
"""

from __future__ import annotations

import runpy
import sys
import threading  # noqa: F401  # this and the next four take their clocks now: who waits must wait for the real time
import time
from concurrent import futures  # noqa: F401
from multiprocessing import pool  # noqa: F401
from queue import Queue  # noqa: F401
from subprocess import Popen  # noqa: F401


def count_cpu_time() -> None:
    """From now on `time.time`, `monotonic` and `perf_counter` of this process advance by its CPU time."""
    began = time.time()
    time.monotonic = time.perf_counter = time.process_time
    time.monotonic_ns = time.perf_counter_ns = time.process_time_ns
    time.time = lambda: began + time.process_time()


if __name__ == "__main__":  # python -m benchmarks.studies.peers.cpu_time MODULE ARGUMENTS…
    del sys.argv[0]
    count_cpu_time()
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
