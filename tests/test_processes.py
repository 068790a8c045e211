"""What the other tests rely on when they start programs."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from tests.processes import started
from tests.tracebacks import PACKAGES, frames_of_ours

IN_THE_BACKGROUND = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for `&` in a script
import tests.processes
tests.processes.hear_ctrl_c()
subprocess.run([sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGINT))"])
"""


def test_a_process_hears_ctrl_c_though_pytest_was_started_in_the_background() -> None:
    ran = subprocess.run([sys.executable, "-c", IN_THE_BACKGROUND], capture_output=True, text=True, check=True)
    assert "default_int_handler" in ran.stdout


def test_a_test_that_fails_leaves_no_process() -> None:
    sleeper = "import time; time.sleep(600)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleeper!r}])"

    def failing() -> None:
        with started([sys.executable, "-c", parent]) as process:
            while not (children := psutil.Process(process.pid).children()):
                time.sleep(0.01)
            family.extend([psutil.Process(process.pid), *children])
            pytest.fail("before it was ended")

    family: list[psutil.Process] = []
    with pytest.raises(pytest.fail.Exception):
        failing()
    assert len(family) == 2
    assert psutil.wait_procs(family, timeout=30)[1] == []


def test_a_traceback_of_ours_is_told_from_one_of_a_library_in_our_folder() -> None:
    ours, checkout = f"{PACKAGES[0]}/cli.py", PACKAGES[0].parent
    lines = (
        f'  File "{checkout}/.venv/lib/python3/torch/run.py", line 1, in main',
        f'  File "{ours}", line 2, in main',
    )
    assert frames_of_ours(f"/here/edgeunet/cli.py\n{lines[0]}\n") == []
    assert frames_of_ours("\n".join(["Traceback (most recent call last):", *lines])) == [ours]
