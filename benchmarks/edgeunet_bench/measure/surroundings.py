"""What a record holds in addition to its samples: the time, the commit, and the machine's idle power."""

from __future__ import annotations

import subprocess
import time
from datetime import datetime, timezone
from pathlib import Path

from edgeunet.board.sensors.telemetry import Sampler

REST_S = 2.0  # 20 samples of the idle power


def now() -> str:
    """UTC, ISO 8601, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def commit_of(folder: Path) -> str:
    """Commit of the checkout around a folder, with "-dirty" if files differ from it; "" without git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def rest(sampler: Sampler) -> tuple[int, int] | None:
    """Wait while the idle power is sampled; returns begin and end in ns. None, at once, without a power sensor."""
    if not sampler.rails:
        return None
    begin = time.perf_counter_ns()
    time.sleep(REST_S)
    return begin, time.perf_counter_ns()
