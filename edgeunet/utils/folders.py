"""Folders that edgeunet writes: a mark file identifies them, and only these are ever replaced."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from edgeunet.errors import OutputError, UsageError
from edgeunet.utils.files import PART, locked, made_parents, part_of, require_parent, sha256, unwritable, writing
from edgeunet.utils.json_fields import read_json
from edgeunet.utils.renaming import exchange

MARK = ".edgeunet.json"
SCHEMA = "edgeunet.folder/1"


@dataclass(frozen=True)
class MarkedFile:
    """sha256: "" of a link or an empty folder."""

    size: int  # bytes
    sha256: str


@dataclass(frozen=True)
class FolderMark:
    """What edgeunet wrote into a folder; files by their path in it."""

    files: dict[str, MarkedFile]


@contextmanager
def replacing_folder(path: str | Path, *, force: bool) -> Iterator[Path]:
    """Yield a new empty folder next to `path` to write to; on success it replaces `path`, in one step.

    The new folder gets a mark file that lists what was written. `force` replaces a folder only if edgeunet made it,
    nothing else is in it and nothing was changed. After an exception nothing is left behind and a folder that was at
    `path` is untouched; a killed process leaves the old folder or the new one. Raises OutputError.
    """
    given, path = Path(path), Path(os.path.realpath(path))
    before = _require(given, force=force)
    with made_parents(given), unwritable(given):
        _remove_unfinished(path)
        temporary = part_of(path)
        temporary.mkdir()
        try:
            with locked(temporary):
                _write_mark(temporary, {})
                yield temporary
                _write_mark(temporary, {name: _marked(file) for name, file in _files(temporary).items()})
                _put(temporary, path, given, before)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def require_folder_writable(path: str | Path, *, force: bool) -> None:
    """Raise, before long work, the OutputError that replacing_folder() would raise. Leaves nothing behind."""
    _require(Path(path), force=force)
    require_parent(Path(os.path.realpath(path)))


def require_apart(source: Path, target: Path) -> None:
    """Raise UsageError if one of the folders is the other or lies in it: the source must not change."""
    one, other = source.resolve(), target.resolve()
    if one in (other, *other.parents) or other in one.parents:
        raise UsageError(f"{target} and {source} overlap, and the source must not change: choose another folder")


def _require_ours(path: Path) -> None:
    """Raise OutputError unless edgeunet made this folder, nothing else is in it and nothing was changed."""
    advice = "give another name"
    if not (path / MARK).is_file():
        raise OutputError(f"{path} is a folder that this version of edgeunet did not make: {advice}")
    what = "the list of what edgeunet wrote there"
    mark = read_json(path / MARK, FolderMark, error=OutputError, what=what, remedy=advice, schema=SCHEMA)
    for name, file in _files(path).items():
        if (listed := mark.files.get(name)) is None:
            raise OutputError(f"{path} holds {name}, which edgeunet did not write: {advice}")
        if _marked(file) != listed:
            raise OutputError(f"{path} holds {name}, which was changed since edgeunet wrote it: {advice}")


def _require(path: Path, *, force: bool) -> list[tuple[str, int, int]] | None:
    """Raise OutputError unless the folder may be made; returns what is there now, None for nothing."""
    with writing(path):
        if not os.path.lexists(path):
            return None
        if not path.is_dir():
            raise OutputError(f"{path} is a file: give the name of a folder")
        if path.is_mount():  # a container's volume: it cannot be replaced
            raise OutputError(f"{path} is a mounted disk or volume, which cannot be replaced: give a folder in it")
        if not any(path.iterdir()):
            return None
        if not force:
            raise OutputError(f"{path} exists already: give --force to replace it, or another name")
        _require_ours(path)
        return _state(path)


def _put(temporary: Path, path: Path, given: Path, before: list[tuple[str, int, int]] | None) -> None:
    """Replace the old folder by the new one, unless another process wrote there since."""
    if before is None:
        try:
            temporary.rename(path)  # fails unless there is none, or an empty one
        except OSError as error:
            if not path.exists():
                raise
            raise OutputError(f"{given} was created by another command meanwhile: give another name") from error
        return
    if not path.is_dir() or _state(path) != before:
        raise OutputError(f"{given} was changed by another command meanwhile: check it, or give another name")
    exchange(temporary, path)


def _marked(file: Path) -> MarkedFile:
    plain = file.is_file() and not file.is_symlink()
    return MarkedFile(file.stat().st_size, sha256(file)) if plain else MarkedFile(0, "")


def _write_mark(path: Path, files: dict[str, MarkedFile]) -> None:
    value = {"schema": SCHEMA, "files": {name: asdict(file) for name, file in files.items()}}
    (path / MARK).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _files(path: Path) -> dict[str, Path]:
    """Everything in a folder by its path, except the mark; an empty folder and a link count as files."""
    found = {}
    for folder, folders, files in os.walk(path):
        names = [*files, *(name for name in folders if (Path(folder) / name).is_symlink())]
        if not folders and not files and Path(folder) != path:
            found[_name(Path(folder), path)] = Path(folder)
        found |= {_name(Path(folder) / name, path): Path(folder) / name for name in names}
    found.pop(MARK, None)
    return dict(sorted(found.items()))


def _name(file: Path, folder: Path) -> str:
    return os.fsencode(file.relative_to(folder)).decode("utf-8", "backslashreplace")


def _state(path: Path) -> list[tuple[str, int, int]]:
    """Names, sizes and times of everything in a folder, which change when it is written to."""
    facts = [(name, file.lstat()) for name, file in _files(path).items()]
    return [(name, fact.st_size, fact.st_mtime_ns) for name, fact in facts]


def _remove_unfinished(path: Path) -> None:
    """Remove the folders with a mark that killed processes left half-written in place of this one."""
    with suppress(OSError):
        for entry in os.scandir(path.parent):
            ours = PART.fullmatch(entry.name) and entry.name.startswith(f".{path.stem[:20]}")
            if ours and entry.is_dir(follow_symlinks=False) and Path(entry.path, MARK).is_file():
                with suppress(OSError), locked(entry.path):
                    shutil.rmtree(entry.path)
