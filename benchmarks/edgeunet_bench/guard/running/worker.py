"""A process that runs one arm: it is started, asked for turns, and ended."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import IO, TypeAlias, cast

import numpy as np

from edgeunet.errors import CommandError, EdgeUNetError
from edgeunet.latency.quantiles import Samples
from edgeunet.utils.json_fields import from_json
from edgeunet.utils.limits import MAX_MS
from edgeunet.utils.redaction import shown_command
from edgeunet_bench.guard.running.protocol import FAILED, READY

_Fact: TypeAlias = str | int | float | bool | None
SILENCE_S = 120  # without an answer, then the arm has failed


class Worker:
    """A fresh process of the command `argv`, which speaks protocol.py. Use it in a `with` statement.

    Entering does not wait for the process to be ready, so that several can start side by side.
    """

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._argv = list(argv)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        try:
            self._process = subprocess.Popen(
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, **(environment or {})},
                text=True,
                encoding="utf-8",
                errors="replace",  # any program may be an arm
                start_new_session=True,  # Ctrl-C is for the process that asks
            )
        except OSError as error:
            self._errors.close()
            raise EdgeUNetError(f"{self._argv[0]} cannot be started: {error.strerror}") from error
        self._stdin, self._stdout = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)

    @property
    def pid(self) -> int:
        return self._process.pid

    def ready(self) -> dict[str, str]:
        """Wait until it has warmed up; returns its facts. Raises EdgeUNetError if it does not start."""
        word, _, rest = self._line().partition(" ")
        if word == FAILED:
            raise EdgeUNetError(rest)
        if word != READY:
            raise self._error(f'printed "{word[:40]}", expected "{READY}"')
        try:
            about = from_json(rest or "{}", dict[str, _Fact], origin=READY, error=CommandError, what="facts", remedy="")
        except CommandError:
            raise self._error(f'printed "{READY}" without a JSON object with its facts') from None
        return {name: str(fact) for name, fact in about.items()}

    def measure(self, calls: int) -> Samples:
        """(calls,) ms, one call after another."""
        with contextlib.suppress(OSError):  # it has ended: the missing answer shows that
            self._stdin.write(f"{calls}\n")
            self._stdin.flush()
        line = self._line()
        try:
            times = np.array(line.split(), np.float64)
        except ValueError:
            raise self._error(f'answered "{line[:40]}", expected times in ms') from None
        if len(times) != calls or not ((times >= 0) & (times <= MAX_MS)).all():
            raise self._error(f"answered {len(times)} times to {calls} calls, or one that is not a time")
        return times

    def _line(self) -> str:
        if not select.select([self._stdout], [], [], SILENCE_S)[0]:
            raise self._error(f"was silent for {SILENCE_S} s")
        if line := self._stdout.readline():
            return line.strip()
        raise self._error(f"ended by itself (exit code {self._process.wait()})")

    def _error(self, what: str) -> CommandError:
        self._errors.seek(0)
        last = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        said = f": {last}" if last else ""
        return CommandError(f"the measured process {what}{said}; run it alone to see why: {shown_command(self._argv)}")

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._stdin, self._stdout):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self._errors.close()
