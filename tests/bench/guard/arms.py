"""Arms for tests: a program of a few lines that speaks the guard's protocol."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from edgeunet_bench.guard.running.arms import RunArm, TurnArm, command_arm

_SERVE = """
import sys, time
print("ready", {about!r}, flush=True)
for line in sys.stdin:
    times = []
    for _ in range(int(line)):
        begin = time.perf_counter()
        while time.perf_counter() - begin < {call_ms} / 1e3:
            pass
        times.append({call_ms} + (time.perf_counter() - begin) * 1e-3)
    print(*times, flush=True)
"""


def spinning(folder: Path, call_ms: float, about: str = "") -> str:
    """The command of an arm whose calls take and tell `call_ms`."""
    path = folder / f"spin_{call_ms:g}_{abs(hash(about))}.py"
    path.write_text(_SERVE.format(call_ms=call_ms, about=about))
    return shlex.join([sys.executable, str(path)])


def turn_arm(folder: Path, call_ms: float, about: str = "") -> TurnArm | RunArm:
    return command_arm(spinning(folder, call_ms, about), turns=True, whole=False)


def python(code: str) -> str:
    """A command that runs this code."""
    return shlex.join([sys.executable, "-c", code])
