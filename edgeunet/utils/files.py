"""Writing files whole or not at all, and the hash of a file."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from edgeunet.errors import OutputError, UsageError, system_reason
from edgeunet.utils.renaming import rename_new

Paths: TypeAlias = "str | Path | Iterable[str | Path] | None"


@contextmanager
def replacing(path: str | Path, *, force: bool) -> Iterator[Path]:
    """Yield a temporary path next to `path` to write a file to, and rename it to `path` on success.

    After an exception nothing is left behind and a file that was at `path` is untouched; a killed process leaves the
    old file or the new one. Raises OutputError if `path` is a folder or a device, if it exists and `force` is false
    (also if another process made it meanwhile), or if it cannot be written.
    """
    path = Path(path)
    _require_file(path, force=force)
    with made_parents(path), unwritable(path):
        remove_unfinished(path.parent)
        temporary, lock = _new_file(path)
        try:
            yield temporary
            if force:
                temporary.replace(path)
            else:
                rename_new(temporary, path)
        except FileExistsError as error:
            raise OutputError(f"{path} was created by another command meanwhile: give another name") from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            os.close(lock)


def require_writable(path: str | Path, *, force: bool) -> None:
    """Raise, before long work, the OutputError that replacing() would raise for this file. Leaves nothing behind."""
    path = Path(path)
    _require_file(path, force=force)
    require_parent(path)


def require_parent(path: Path) -> None:
    """Raise OutputError unless the folder of `path` can be written, or made if it is missing."""
    with writing(path):
        above, *below = path.absolute().parent, path.name
        while not above.exists():
            below.append(above.name)
            above = above.parent
        for name in below:
            with suppress(FileNotFoundError):  # but not a name that is too long
                os.lstat(above / name)
        with tempfile.TemporaryFile(dir=above):
            pass


def require_distinct(
    outputs: Mapping[str, Paths], inputs: Mapping[str, Paths], *, replaced: Iterable[str | Path] = ()
) -> None:
    """Raise UsageError, before any work, if an output is one of the inputs, or another output of the same command.

    An output may not be in the folders of an input dataset either: it would replace a file there, or become one.

    outputs, inputs: files and folders by the option that gave them. replaced: folders that are replaced whole, so
    that no input may be in them. Links are followed: names may differ.
    """
    given = [(title, path) for title, paths in inputs.items() for path in _each(paths)]
    written = [(title, path) for title, paths in outputs.items() for path in _each(paths)]
    for number, (title, path) in enumerate(written):
        for other, taken in (*given, *written[:number]):
            if _same(path, taken):
                raise UsageError(f"{title} {path} is also {other} {taken}: give another name, nothing was written")
        for other, taken in given:
            if any(_resolved(place) in (_resolved(path), *_resolved(path).parents) for place in _dataset(taken)):
                raise UsageError(f"{title} {path} is inside {other} {taken}, which is an input: give another name")
    for title, path in given:
        for folder in replaced:
            if _resolved(Path(folder)) in _resolved(path).parents:
                raise UsageError(f"{title} {path} is inside {folder}, which will be replaced: give another name")


def _dataset(folder: Path) -> list[Path]:
    """The folders and files of a dataset that are read; nothing for any other path."""
    listed = folder / "classes.json"
    if not listed.is_file():
        return []
    kinds = [folder / kind for kind in ("images", "masks")]
    return [listed, *kinds, *(split for kind in kinds if kind.is_dir() for split in kind.iterdir() if split.is_dir())]


def _each(paths: Paths) -> list[Path]:
    if paths is None:
        return []
    return [Path(paths)] if isinstance(paths, (str, Path)) else [Path(p) for p in paths]


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # at least one does not exist
        return _resolved(one) == _resolved(other)


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _require_file(path: Path, *, force: bool) -> None:
    with writing(path):
        if path.is_dir() or path.name in ("", ".."):
            raise OutputError(f"{path} is a folder: give the name of a file")
        if path.exists() and not stat.S_ISREG(path.stat().st_mode):
            raise OutputError(f"{path} is a device or a pipe: give the name of a file")
        if os.path.lexists(path) and not force:
            raise OutputError(f"{path} exists already: give --force to replace it, or another name")


PART = re.compile(r"\..*\.[0-9a-f]{16}\.part(\.[^.]*)?")


def part_of(path: Path) -> Path:
    """A new hidden name next to `path` for a file that is being written, with the same ending; it cannot be guessed."""
    stem, ending = (os.fsdecode(os.fsencode(part)[:100]) for part in (path.stem, path.suffix))  # 255 bytes at most
    return path.with_name(f".{stem}.{secrets.token_hex(8)}.part{ending}")


def _new_file(path: Path) -> tuple[Path, int]:
    """A new file next to `path`, and the open descriptor that locks it while this process works on it."""
    while True:
        temporary = part_of(path)
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if temporary.exists():  # remove_unfinished() of another process did not come in between
            return temporary, descriptor
        os.close(descriptor)


def remove_unfinished(folder: str | Path) -> None:
    """Remove the unfinished files of killed processes of edgeunet from a folder: those that no process locks.

    Does so only once for each folder in a process.
    """
    _remove_unfinished(os.path.realpath(folder))


@cache
def _remove_unfinished(folder: str) -> None:
    with suppress(OSError):
        for entry in os.scandir(folder):
            if PART.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(OSError), locked(entry.path):
                    Path(entry.path).unlink()


@contextmanager
def locked(path: str | Path) -> Iterator[int]:
    """Hold the lock of a file or folder that exists; raises BlockingIOError if another process holds it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def made_parents(path: Path) -> Iterator[None]:
    """Make the folders above `path`; after an exception those that were made are removed again."""
    missing = [folder for folder in path.absolute().parents if not folder.exists()]
    with writing(path):
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # another process uses one by now
            for folder in missing:
                folder.rmdir()
        raise


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn an error of the system about writing to `path` into an OutputError: a full disk, a missing one."""
    try:
        yield
    except OSError as error:
        raise _unwritable(Path(path), error) from error


@contextmanager
def unwritable(path: Path) -> Iterator[None]:
    """Like writing(), around work that also reads: an error about another file is passed on unchanged."""
    try:
        yield
    except OSError as error:
        elsewhere = (
            isinstance(error.filename, str) and path.absolute().parent not in Path(error.filename).absolute().parents
        )
        if error.errno not in _WRITE_ERRORS or (elsewhere and error.errno not in _FULL):
            raise  # a copy to a full disk names the file that is read
        raise _unwritable(path, error) from error


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_WRITE_ERRORS = _FULL | {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EISDIR}


def _unwritable(path: Path, error: OSError) -> OutputError:
    remedies = {errno.ENAMETOOLONG: "choose a shorter name", errno.ENOTDIR: "choose a folder, and a name in it"}
    remedy = "free some space" if error.errno in _FULL else "choose a folder you can write to"
    reason = system_reason(error)
    return OutputError(f"cannot write {path}: {reason}; {remedies.get(error.errno or 0, remedy)}")


def write_json(path: str | Path, value: Any, *, force: bool) -> None:
    """Write `value` as indented JSON, as write_text()."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n", force=force)


def write_text(path: str | Path, text: str, *, force: bool) -> None:
    """Write a text in UTF-8, whole or not at all. A byte of a name that is not UTF-8 becomes a "?"."""
    with replacing(path, force=force) as temporary:
        temporary.write_bytes(text.encode("utf-8", "replace"))  # no reader takes half a surrogate pair


def sha256(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
