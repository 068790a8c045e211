"""A line of JSON for each frame, for programs that want the numbers and not the picture."""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from edgeunet.camera.frame import Shot
from edgeunet.camera.state.mask_state import StateReport
from edgeunet.errors import OutputError
from edgeunet.utils.files import require_writable, writing

STDOUT = (Path("-"), Path("/dev/stdout"))  # while a command runs, that file is where libraries print


class LineWriter:
    """Writes lines to a file, or for a name of STDOUT to that, each as soon as it is known. Use it in a `with`.

    Call check_lines() first: an existing file is replaced only with `force`. Raises OutputError if it cannot be opened.
    """

    def __init__(self, path: Path, classes: Sequence[str], *, force: bool, paired: bool = False) -> None:
        """paired: whether frames of several sources are paired, so that each line has its group."""
        self._paired = paired
        self._path = path
        self._classes = classes
        self._force = force
        self._descriptor: int | None = None

    def __enter__(self) -> LineWriter:
        if self._path in STDOUT:
            # Not through sys.stdout: its lock, held by a thread that waits for a reader, would crash Python at the end.
            sys.stdout.flush()
            self._descriptor = sys.stdout.fileno()
        elif not _is_pipe(self._path):  # opening a pipe waits for a reader: the first line does that, not all sinks
            with writing(self._path):
                self._path.absolute().parent.mkdir(parents=True, exist_ok=True)
                self._opened()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None and self._path not in STDOUT:
            os.close(self._descriptor)

    def write(self, shot: Shot) -> None:
        """Write the line of a frame. Raises OutputError if the disk is full or the program that reads has ended."""
        group = {"group": shot.group} if self._paired else {}
        self._write({**facts_of(shot, self._classes), **group})

    def write_states(self, reports: Sequence[StateReport]) -> None:
        """Write a line without a mask for each silent source. Raises as write()."""
        for report in reports:
            self._write(facts_of_silence(report))

    def _write(self, facts: dict[str, Any]) -> None:
        line = (json.dumps(facts) + "\n").encode()
        written = 0
        try:
            with writing(self._path):
                descriptor = self._opened()
                while written < len(line):
                    written += os.write(descriptor, memoryview(line)[written:])
        except OutputError as error:
            if written:
                self._cut_back(written)
            if not isinstance(error.__cause__, BrokenPipeError):
                raise
            raise OutputError(f"--jsonl {self._path}: the program that read the lines has ended") from error

    def _cut_back(self, count: int) -> None:
        """Remove the last bytes, the beginning of a line, from the file: its readers expect whole lines."""
        with suppress(OSError):  # a pipe keeps what it has
            descriptor = self._opened()
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                end = os.lseek(descriptor, 0, os.SEEK_CUR) - count
                os.ftruncate(descriptor, end)
                os.lseek(descriptor, end, os.SEEK_SET)

    def _opened(self) -> int:
        if self._descriptor is None:
            over = os.O_TRUNC if self._force or _is_pipe(self._path) else os.O_EXCL
            flags = os.O_WRONLY | os.O_CREAT | over | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(self._path, flags, 0o666)
        return self._descriptor


def facts_of(shot: Shot, classes: Sequence[str]) -> dict[str, Any]:
    """The fields of a frame's line.

    captured_ns: monotonic clock of this machine (CLOCK_MONOTONIC on Linux); captured: the same as UTC, ISO 8601.
    model: which one made the mask, if there are several. classes: the share of the picture of each class, 0 to 1. With
    --sync LineWriter adds the group: the same number for frames that belong together, null for a frame without a match.
    """
    letterbox = shot.result.letterbox
    inside = letterbox.inside(shot.result.mask)
    shares = np.bincount(inside.ravel(), minlength=len(classes)) / inside.size
    since_ns = time.perf_counter_ns() - shot.frame.captured_ns
    captured = datetime.fromtimestamp((time.time_ns() - since_ns) / 1e9, timezone.utc)
    return {
        "source": shot.source,
        "frame": shot.frame.number,
        "time_s": round(shot.time_s, 6),
        "captured_ns": shot.frame.captured_ns,
        "captured": captured.isoformat(timespec="milliseconds"),
        "age_ms": _ms(shot.age_ns),
        "stages_ms": {stage: _ms(duration) for stage, duration in shot.stages_ns.items()},
        "dropped": shot.dropped,
        **({"model": shot.result.model} if shot.result.model else {}),
        "state": str(shot.state.state),
        "reason": shot.state.reason,
        "classes": {name: round(float(share), 5) for name, share in zip(classes, shares, strict=False)},
    }


def facts_of_silence(report: StateReport) -> dict[str, Any]:
    """The fields of a line without a mask: the state of a source that is silent.

    time: now, UTC, ISO 8601. age_ms: of its last mask, null if there was none yet.
    """
    return {
        "source": report.source,
        "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "age_ms": None if report.age_ns is None else _ms(report.age_ns),
        "state": str(report.finding.state),
        "reason": report.finding.reason,
    }


def check_lines(path: Path, *, force: bool) -> None:
    """Raise OutputError if the file exists without `force` or cannot be written.

    A pipe or a device may be given by its name: writing to it replaces nothing.
    """
    if path in STDOUT:
        if sys.stdout is None:
            raise OutputError("the standard output is closed, and `-` writes there: name a file")
    elif not _is_pipe(path):
        require_writable(path, force=force)


def _is_pipe(path: Path) -> bool:
    """Whether it is a pipe or a device: neither a file nor a folder."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _ms(duration_ns: int) -> float:
    return round(duration_ns / 1e6, 3)
