"""The disturbance takes a processor while it should, and ends by itself, when killed, and with its parent."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.studies.guard_trials.disturbance import disturbing
from edgeunet.board.machine import usable_cpus
from edgeunet_bench.guard.running.interference import ticks_of
from edgeunet_bench.guard.running.worker import Worker


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def _gone(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_it_spins_from_one_start_to_the_other(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    starts.write_bytes(b"...")
    cpu = max(usable_cpus())
    with Worker(disturbing(starts, cpu, 4, 7)) as worker:
        _until(lambda: os.sched_getaffinity(worker.pid) == {cpu} or len(usable_cpus()) == 1)
        time.sleep(0.2)  # enough to see that it does not spin yet
        waiting = ticks_of([worker.pid])
        starts.write_bytes(b"....")
        _until(lambda: ticks_of([worker.pid]) > waiting + 20)
        assert not _gone(worker.pid)
        starts.write_bytes(b".......")
        _until(lambda: _gone(worker.pid))


def test_it_is_killed_with_its_worker(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    starts.write_bytes(b".")
    with Worker(disturbing(starts, max(usable_cpus()), 1, 2)) as worker:
        _until(lambda: ticks_of([worker.pid]) > 5)
    assert _gone(worker.pid)


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    starts.write_bytes(b".")
    code = (
        "import subprocess, sys, pathlib\n"
        "from benchmarks.studies.guard_trials.disturbance import disturbing\n"
        "argv = disturbing(pathlib.Path(sys.argv[1]), int(sys.argv[2]), 1, 2)\n"
        "print(subprocess.Popen(argv, stdout=subprocess.DEVNULL).pid)\n"
    )
    command = [sys.executable, "-c", code, str(starts), str(max(usable_cpus()))]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True, timeout=60
    )
    _until(lambda: _gone(int(done.stdout)))
