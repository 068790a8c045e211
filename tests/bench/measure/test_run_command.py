"""Running real commands: what they print, how long they take, and what is said of those that fail."""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edgeunet.errors import CommandError, UsageError
from edgeunet_bench.measure.run_command import run_command


def python(code: str) -> str:
    return shlex.join([sys.executable, "-S", "-c", code])


def _fails(command: str, *, whole: bool = False, timeout_s: float = 60) -> str:
    with pytest.raises(CommandError) as caught:
        run_command(command, whole=whole, timeout_s=timeout_s)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_numbers_are_latencies_and_other_lines_are_not() -> None:
    code = "print('warming up'); print(1.5); print('  2e1 '); print('3 ms'); print(0)"
    assert run_command(python(code), whole=False, timeout_s=60).tolist() == [1.5, 20.0, 0.0]


def test_the_whole_run_is_timed_from_start_to_exit() -> None:
    took = run_command(python("import time; print(1); time.sleep(0.3)"), whole=True, timeout_s=60)
    assert took.shape == (1,)
    assert 300 < took[0] < 20_000


def test_what_a_command_does_wrong_is_said_with_the_remedy() -> None:
    assert "no latency" in (message := _fails(python("print('fast')")))
    assert "--whole" in message
    message = _fails(python("import sys; print(1); sys.stderr.write('one\\nno disk\\n\\n'); sys.exit(3)"))
    assert "exit code 3, no disk): run it by itself" in message
    assert "signal SIGSEGV" in _fails(python("import os; print(1); os.kill(os.getpid(), 11)"), whole=True)
    assert "cannot start (No such file or directory)" in _fails("/nowhere/program --fast")
    for wrong in ("nan", "inf", "-0.5"):
        assert f"printed the latency {wrong}" in _fails(python(f"print(1); print({wrong!r})"))


@pytest.mark.parametrize("command", ["", "  ", "say 'unfinished"])
def test_a_command_without_words_is_wrong_usage(command: str) -> None:
    with pytest.raises(UsageError):
        run_command(command, whole=False, timeout_s=60)


HANGS_WITH_A_CHILD = """
import os, sys, time
held = os.open({fifo!r}, os.O_WRONLY)
if os.fork():
    os.write(held, b"x")
time.sleep(600)
"""


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A pipe that a command and its child hold open: its end tells that both are gone."""
    path = tmp_path / "held"
    os.mkfifo(path)
    return path


def _wait_for_its_end(reader: int) -> None:
    with open(reader, "rb", buffering=0) as pipe:
        while True:
            assert select.select([pipe], [], [], 30)[0], "a process of the command still runs"
            if not pipe.read(1):
                return


def test_one_that_hangs_is_killed_with_what_it_started(fifo: Path) -> None:
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    message = _fails(python(HANGS_WITH_A_CHILD.format(fifo=str(fifo))), timeout_s=1)
    assert "did not end within 1 s" in message
    _wait_for_its_end(reader)


def test_ctrl_c_kills_it_with_what_it_started(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    waited_for, wait = threading.Event(), subprocess.Popen.wait

    def waiting(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        waited_for.set()
        return wait(process, timeout)

    def interrupt_once_it_runs() -> None:
        select.select([reader], [], [], 30)
        waited_for.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(subprocess.Popen, "wait", waiting)

    thread = threading.Thread(target=interrupt_once_it_runs)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_command(python(HANGS_WITH_A_CHILD.format(fifo=str(fifo))), whole=True, timeout_s=60)
    thread.join()
    _wait_for_its_end(reader)
