"""The folder of a run: its files, whether edgeunet wrote them, and a lock for one process at a time."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from edgeunet.errors import OutputError
from edgeunet.training.qat.learnt_ranges import RANGES
from edgeunet.utils.files import locked, made_parents

BEST, LAST, LOG, RECORD = "best.pt", "last.pt", "log.csv", "run.json"
OUTPUTS = (BEST, LAST, LOG, RECORD, RANGES)
_MARKS = {  # bytes at the start of edgeunet's files, or of their pickle
    BEST: b"edgeunet.checkpoint/",
    LAST: b"edgeunet.checkpoint/",
    LOG: b"step,loss,miou,accuracy",
    RECORD: b'"edgeunet.run/',
    RANGES: b'"edgeunet.ranges/',
}
_START = 4096  # bytes to look for the mark in


def outputs(folder: Path) -> list[Path]:
    """The files of a run that are in the folder."""
    return [folder / name for name in OUTPUTS if os.path.lexists(folder / name)]


def require_free(folder: Path, *, force: bool) -> None:
    """Raise OutputError if the folder holds a run and `force` is false, or files with a run's names that edgeunet did
    not write. Other projects have a best.pt too: the content decides what `force` may remove.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file: give the name of a folder")
    found = outputs(folder)
    if found and not force:
        raise OutputError(f"{folder} holds a run already: --resume continues it, --force starts again")
    for path in found:
        if not _is_ours(path):
            raise OutputError(f"{path} was not written by a training of edgeunet: give another folder with -o")


def require_run(folder: Path) -> None:
    """Raise OutputError if the folder holds no run to resume."""
    if not os.path.lexists(folder / LAST):
        raise OutputError(
            f"{folder} holds no run that can be continued: leave out --resume, or give its folder with -o"
        )


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make the folder and lock it against other trainings while this process trains into it.

    After an exception a new folder is removed, unless something is in it. Raises OutputError if
    another process holds the lock; a killed process holds none.
    """
    with made_parents(folder / BEST), ExitStack() as held:
        try:
            held.enter_context(locked(os.path.realpath(folder)))
        except BlockingIOError as error:
            raise OutputError(
                f"another training writes to {folder} now: wait until it ends, or give another folder with -o"
            ) from error
        except OSError:  # a file system without locks
            pass
        yield


def _is_ours(path: Path) -> bool:
    try:
        if path.suffix == ".pt":
            with zipfile.ZipFile(path) as archive:
                (name,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
                with archive.open(name) as file:
                    return _MARKS[path.name] in file.read(_START)
        with open(path, "rb") as plain:
            return _MARKS[path.name] in plain.read(_START)
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False
