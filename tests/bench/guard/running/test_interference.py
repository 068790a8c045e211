"""What other programs took, from the system's own counters."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgeunet_bench.guard.running.interference import ForeignLoad, own_ticks, throttling, ticks_of
from tests.processes import started

_STAT = """cpu  900 0 100 9000 0 0 0 0 0 0
cpu0 {user} 10 20 {idle} 5 1 1 {steal} {user} 0
cpu1 99999 0 0 0 0 0 0 0 0 0
intr 1
"""


def _stat(root: Path, user: int, idle: int, steal: int = 0) -> None:
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/stat").write_text(_STAT.format(user=user, idle=idle, steal=steal))


def test_what_neither_was_idle_nor_ours_is_foreign(tmp_path: Path) -> None:
    _stat(tmp_path, user=100, idle=1000)
    load = ForeignLoad({0}, tmp_path)
    _stat(tmp_path, user=160, idle=1030, steal=10)
    assert load.share(own_ticks=50) == pytest.approx(0.2)  # 60 ticks of work and 10 stolen, of 100; 50 are ours
    assert load.share(own_ticks=90) == 0.0


def test_where_nothing_tells_it_is_unknown(tmp_path: Path) -> None:
    assert math.isnan(ForeignLoad({0}, tmp_path).share(0))
    _stat(tmp_path, user=1, idle=1)
    assert math.isnan(ForeignLoad({7}, tmp_path).share(0))
    load = ForeignLoad({0}, tmp_path)
    _stat(tmp_path, user=3, idle=1)
    assert math.isnan(load.share(0))  # two ticks


def test_a_process_of_any_name_is_counted(tmp_path: Path) -> None:
    (tmp_path / "proc/12").mkdir(parents=True)
    fields = ["S", *(["0"] * 10), "30", "12", "0"]
    (tmp_path / "proc/12/stat").write_text("12 (a (b) c) " + " ".join(fields))
    assert ticks_of([12, 13], tmp_path) == 42


def test_throttling_is_what_happened_since_it_was_asked(tmp_path: Path) -> None:
    device = tmp_path / "sys/class/thermal/cooling_device0"
    device.mkdir(parents=True)
    (device / "type").write_text("cpu-throttle-alert\n")
    (device / "cur_state").write_text("0\n")
    throttled = throttling(tmp_path)
    assert not throttled()
    (device / "cur_state").write_text("1\n")
    assert throttled()
    (device / "cur_state").unlink()
    assert not throttled()
    assert not throttling(tmp_path / "none")()


def test_work_of_a_real_process_is_its_own_and_not_foreign() -> None:
    if not Path("/proc/stat").exists():
        pytest.skip("no /proc here")
    spin = "import time\nwhile time.process_time() < 0.5: pass\nprint(1, flush=True)\ninput()"
    command = [sys.executable, "-c", spin]
    before = own_ticks()
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seen = ticks_of([process.pid])
        assert seen >= 0.4 * os.sysconf("SC_CLK_TCK")
        process.communicate("\n", timeout=30)
    assert own_ticks() - before >= seen  # it has ended: its time is among that of the children
