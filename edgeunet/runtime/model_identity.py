"""The file that a session was opened from, identified by its bytes: the path may lead to another file later."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edgeunet.errors import ModelFileError
from edgeunet.utils.files import sha256

S = TypeVar("S", bound="AbstractContextManager[object]")
TRIES = 5  # of opening a file that is being replaced


@dataclass(frozen=True)
class ModelFile:
    """A model file as it was when it was opened."""

    name: str
    sha256: str
    size_bytes: int


def opened_from(path: Path, opener: Callable[[], S]) -> tuple[S, ModelFile]:
    """What `opener` returns for a file, and which file it was: if the file is replaced meanwhile, it is opened again.

    Raises what `opener` raises, and ModelFileError if the file changes each time.
    """
    for _ in range(TRIES):
        before = state_of(path)
        opened = opener()
        try:
            found = ModelFile(path.name, sha256(path), path.stat().st_size)
        except OSError:  # it no longer exists
            found = None
        if found is not None and state_of(path) == before:
            return opened, found
        opened.__exit__(None, None, None)
    raise ModelFileError(
        f"{path} changes while it is opened: write it to another path, and move it here when it is complete"
    )


def state_of(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written or replaced; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
