"""Running any command that prints its own latencies, or whose whole run is the latency."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

import numpy as np

from edgeunet.errors import CommandError, UsageError
from edgeunet.latency.quantiles import Samples
from edgeunet.utils.limits import MAX_MS
from edgeunet.utils.redaction import shown_command_text

SHOWN = 100  # characters of a command in a message


@dataclass(frozen=True)
class Finished:
    """A process that has ended well."""

    start_ns: int  # by time.perf_counter_ns(), before it was started
    took_ms: float  # until its end
    output: str  # on stdout


def run_command(command: str, *, whole: bool, timeout_s: float) -> Samples:
    """Run a command once and return its latencies, (n,) in ms and n at least 1.

    It prints one number of milliseconds per line on stdout; other lines are ignored. whole: the one sample is the time
    from its start to its exit instead, whatever it prints. No shell reads the command: for a pipe write `sh -c '…'`.
    Raises CommandError if it cannot start, fails, takes longer than `timeout_s` or prints no latency; UsageError for
    a command that cannot be split into words. What it started is killed with it, on Ctrl-C too.
    """
    done = run_process(words_of(command), shown(command), timeout_s)
    return np.array([done.took_ms]) if whole else _latencies(shown(command), done.output)


def run_process(words: Sequence[str], name: str, timeout_s: float) -> Finished:
    """Run a program to its end; raises CommandError, in which it is called `name`, and kills it as run_command does."""
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        begin = time.perf_counter_ns()
        try:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, start_new_session=True
            )
        except OSError as error:
            raise CommandError(
                f"`{name}` cannot start ({error.strerror or error}): give the path of a program"
            ) from error
        late = threading.Event()

        def stop() -> None:
            late.set()
            _kill(process)

        timer = threading.Timer(timeout_s, stop)
        timer.daemon = True
        timer.start()
        try:
            # Without a time-out of its own: with one, it would look every 50 ms whether the process has ended.
            code = process.wait()
            took_ms = (time.perf_counter_ns() - begin) / 1e6
        except BaseException:
            _kill(process)
            process.wait()
            raise
        finally:
            timer.cancel()
        if late.is_set():
            raise CommandError(f"`{name}` did not end within {timeout_s:g} s and was stopped: give a command that ends")
        if code != 0:
            end = f"exit code {code}" if code > 0 else f"signal {signal.Signals(-code).name}"
            raise CommandError(f"`{name}` failed ({end}{_last_line(stderr)}): run it by itself to see why")
        stdout.seek(0)
        return Finished(begin, took_ms, stdout.read().decode(errors="replace"))


def words_of(command: str) -> list[str]:
    """The command as a program and its arguments; raises UsageError if there is none."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"`{shown(command)}` is not a command ({error}): quote it as in a shell") from error
    if not words:
        raise UsageError("the command is empty: give a program and its arguments")
    return words


def shown(command: str) -> str:
    """The command on one line, without its secrets and cut where it is long, for messages and tables."""
    line = " ".join(shown_command_text(command).split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def _latencies(name: str, output: str) -> Samples:
    values = []
    for line in output.splitlines():
        with suppress(ValueError):
            values.append(float(line))
    if not values:
        raise CommandError(
            f"`{name}` printed no latency: "
            "let it print one number of milliseconds per line, or time its whole run with --whole"
        )
    for value in values:
        if not 0 <= value <= MAX_MS:
            raise CommandError(
                f"`{name}` printed the latency {value:g}: a latency is a number of ms from 0 to {MAX_MS:g}"
            )
    return np.array(values)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _last_line(stderr: IO[bytes]) -> str:
    """Its last line, if any."""
    stderr.seek(0)
    lines = stderr.read().decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f", {last[:160]}" if last else ""
