"""An export as it was downloaded: a .zip, unpacked for the time of the conversion."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from edgeunet.errors import DatasetError, EdgeUNetError, system_reason

_FILES = 1_000_000
_DEEPEST = 100  # folders in each other
_NOT_FILES = ("__MACOSX", ".DS_Store", "Thumbs.db")  # that systems add


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The folder itself, or a temporary one with the content of a .zip, which is removed in the end.

    Errors name the .zip in place of it. Raises DatasetError if there is no such folder, or the .zip is damaged,
    protected, leads out of the folder or does not fit the disk.
    """
    if path.is_dir():
        yield path
        return
    if not path.exists():
        raise DatasetError(f"{path}: no such folder or .zip")
    if not zipfile.is_zipfile(path):
        if path.suffix.lower() == ".zip":
            raise DatasetError(f"{path} is a damaged .zip, such as half a download: download or export it again")
        raise DatasetError(f"{path} is neither a folder nor a .zip: give the folder that it is in, or unpack it")
    with tempfile.TemporaryDirectory(prefix="edgeunet-") as temporary:
        folder = Path(temporary)
        _extract(path, folder)
        while len(inside := list(folder.iterdir())) == 1 and inside[0].is_dir():
            folder = inside[0]
        try:
            yield folder
        except EdgeUNetError as error:
            error.args = (str(error).replace(str(folder), str(path)),)
            raise


def _extract(path: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir() and not _is_added(m.filename)]
            if len(members) > _FILES:
                raise DatasetError(f"{path} has {len(members)} files: unpack it, and give the folder")
            for member in members:
                _require_inside(path, member)
            size = sum(member.file_size for member in members)
            if size > (free := shutil.disk_usage(folder).free):
                raise DatasetError(
                    f"{path} has {size >> 20} MB when it is unpacked, and {folder.parent} has {free >> 20} MB free: "
                    "set TMPDIR to a folder on another disk, or unpack it and give the folder"
                )
            for member in members:
                _copy(archive, member, folder.joinpath(*_parts(member)))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError) as error:
        raise DatasetError(f"{path} is a damaged .zip, or packed in a way that is not known ({error})") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be unpacked ({system_reason(error)})") from error


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # No more is read than the size that was added up above, whatever is packed.
    try:
        with archive.open(member) as packed, target.open("xb") as file:
            shutil.copyfileobj(packed, file)
    except FileExistsError as error:
        raise ValueError(f"two files have the name {member.filename[:80]!r}") from error


def _require_inside(path: Path, member: zipfile.ZipInfo) -> None:
    """Raise DatasetError for a file that would be written outside or deep down, a link, and one with a password."""
    name = member.filename
    if name.startswith(("/", "\\")) or ".." in _parts(member) or ":" in name.split("/")[0]:
        raise DatasetError(f"{path} has a file whose name leads out of it, {name[:80]!r}: nothing was unpacked")
    if (depth := len(_parts(member)) - 1) > _DEEPEST:
        raise DatasetError(f"{path} has a file in {depth} folders, {name[:80]!r}: at most {_DEEPEST} are read")
    if member.external_attr >> 28 == 0o12:
        raise DatasetError(f"{path} has a link, {name[:80]!r}: unpack it yourself, and give the folder")
    if member.flag_bits & 1:
        raise DatasetError(f"{path} is protected by a password: unpack it, and give the folder")


def _parts(member: zipfile.ZipInfo) -> tuple[str, ...]:
    return PurePosixPath(member.filename.replace("\\", "/")).parts


def _is_added(name: str) -> bool:
    return any(part in _NOT_FILES for part in PurePosixPath(name).parts)
