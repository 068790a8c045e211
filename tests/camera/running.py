"""The real command `edgeunet camera` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from types import TracebackType
from typing import Any, NamedTuple

import psutil

from edgeunet.camera.sources.opening import open_source
from edgeunet.camera.sources.stamp import decode_stamp
from tests.camera.videos import eventually

SYNTHETIC = "synthetic://?width=320&height=240&fps=100"


class Ended(NamedTuple):
    """How it ended. seconds: since the signal."""

    code: int
    errors: str
    seconds: float


class Running:
    """Writes a line of JSON a frame to its standard output, which the test reads."""

    def __init__(self, *arguments: object, code: str = "from edgeunet.cli import main; main()") -> None:
        """code: what runs the command."""
        command = [sys.executable, "-c", code, "camera", *map(str, arguments), "--jsonl", "-"]
        self.errors = ""
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def lines(self, count: int) -> list[dict[str, Any]]:
        """The next lines of frames, without those that say that a source is silent; waits for them."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            if "frame" in (line := self.line()):
                found.append(line)
        return found

    def line(self) -> dict[str, Any]:
        """The next line, also one without a mask; waits for it."""
        assert self._process.stdout is not None
        line: dict[str, Any] = json.loads(self._process.stdout.readline() or f"null {self.errors}")
        return line

    def said(self, text: str) -> None:
        """Wait until this is on stderr."""
        eventually(lambda: text in self.errors, timeout_s=40)

    def rss_mb(self) -> float:
        """Its resident memory."""
        return float(psutil.Process(self._process.pid).memory_info().rss / 1e6)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def end(self, number: signal.Signals | None = None) -> Ended:
        """Send a signal, or wait for the end that it comes to by itself."""
        begin = time.monotonic()
        if number is not None:
            self.send(number)
        assert self._process.stdout is not None
        self.rest = [json.loads(line) for line in self._process.stdout if line.endswith("}\n")]
        self.rest = [line for line in self.rest if "frame" in line]
        code = self._process.wait(30)
        seconds = time.monotonic() - begin
        self._listener.join(30)
        return Ended(code, self.errors, seconds)

    def end_unread(self, number: signal.Signals) -> Ended:
        """Send a signal, and read no more of the lines."""
        begin = time.monotonic()
        self.send(number)
        code = self._process.wait(30)
        self._listener.join(30)
        return Ended(code, self.errors, time.monotonic() - begin)

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.join(30)
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.errors += line


def stamps(video: os.PathLike[str]) -> list[int]:
    """The numbers of the frames of a recorded synthetic source."""
    with open_source(str(video)) as source:
        return [decode_stamp(frame.pixels)[0] for frame in iter(source.read, None)]
