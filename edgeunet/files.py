"""Outputs are written whole or not at all; files are known by their hash."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgeunet.errors import OutputError


@contextmanager
def replacing(path: str | Path, *, force: bool) -> Iterator[Path]:
    """Give a temporary path beside `path` to write a file or a folder to, and rename it on success.

    After an exception nothing is left behind and what stood at `path` before is untouched.
    Raises OutputError if `path` exists and `force` is false, or if it cannot be written (a full
    disk, a folder without write permission).
    """
    path = Path(path)
    require_free(path, force=force)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    except OSError as error:
        if error.errno in _WRITE_ERRORS:
            raise _unwritable(path, error) from error
        raise
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def remove_unfinished(path: str | Path) -> None:
    """Remove what a process that was killed while it replaced `path` left beside it."""
    path = Path(path)
    for part in path.parent.glob(f".{glob.escape(path.stem)}.*.part{path.suffix}"):
        part.unlink(missing_ok=True)


def require_free(path: str | Path, *, force: bool) -> None:
    """Raise OutputError if `path` exists and `force` is false: for asking before long work."""
    if Path(path).exists() and not force:
        raise OutputError(f"{path} exists already: give --force to replace it, or another name")


def require_writable(path: str | Path, *, force: bool) -> None:
    """Raise OutputError, before long work, if `path` exists without `force` or its folder cannot be written."""
    require_free(path, force=force)
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder: give the name of a file")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn whatever the system has against writing to `path` into an OutputError: a full disk, one that is gone."""
    try:
        yield
    except OSError as error:
        raise _unwritable(Path(path), error) from error


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_WRITE_ERRORS = _FULL | {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


def _unwritable(path: Path, error: OSError) -> OutputError:
    remedy = "free some space" if error.errno in _FULL else "choose a folder you can write to"
    return OutputError(f"cannot write {path}: {(error.strerror or str(error)).lower()}; {remedy}")


def write_json(path: str | Path, value: Any, *, force: bool) -> None:
    """Write `value` as indented JSON, whole or not at all."""
    with replacing(path, force=force) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
