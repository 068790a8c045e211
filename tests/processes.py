"""Processes that tests start: they hear Ctrl-C wherever pytest was started, and none outlives its test."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest


def hear_ctrl_c() -> None:
    """Let what this process starts hear Ctrl-C, as this process does, and the end of its terminal.

    What a script starts with `&` ignores the one, and what `nohup` starts the other.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)  # still ignored here, and not by a program that is started


@contextmanager
def started(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process with pipes of text. At the end of the block it is killed, with all that it has started.

    `with subprocess.Popen(...)` waits there instead: for ever, if a test fails before it has ended the process.
    """
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                itself = psutil.Process(process.pid)
                _kill([itself, *itself.children(recursive=True)])


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """What a test leaves behind, because it failed, would otherwise slow or confuse the tests after it."""
    before = set(_children())
    yield
    _kill(set(_children()) - before)


def _children() -> list[psutil.Process]:
    """All that this process has started, but for the one that Python keeps from the first to the last."""
    return [child for child in psutil.Process().children(recursive=True) if not _is_pythons_own(child)]


def _is_pythons_own(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return "multiprocessing.resource_tracker" in " ".join(process.cmdline())
    return False


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
