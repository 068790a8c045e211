"""A second program that takes a processor from the arms: from one start of an arm's process until another."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

POLL_S = 0.01
SPIN = 20_000  # turns of an empty loop, about 1 ms


def disturbing(starts: Path, cpu: int, first: int, last: int) -> tuple[str, ...]:
    """The command of a process that waits for the arm's start number `first`, then spins on `cpu` until number `last`.

    starts: the file of ArmOptions. The process also ends when the one that started it does.
    """
    numbers = (os.getpid(), cpu, first, last)
    return (sys.executable, "-m", "benchmarks.studies.guard_trials.disturbance", str(starts), *map(str, numbers))


def main() -> None:
    path = sys.argv[1]
    parent, cpu, first, last = map(int, sys.argv[2:])
    os.sched_setaffinity(0, {cpu})
    while _started(path) < first:
        if os.getppid() != parent:
            return
        time.sleep(POLL_S)
    while _started(path) < last and os.getppid() == parent:
        for _ in range(SPIN):
            pass


def _started(path: str) -> int:
    return os.stat(path).st_size  # noqa: PTH116 - called often, during a measurement


if __name__ == "__main__":
    main()
