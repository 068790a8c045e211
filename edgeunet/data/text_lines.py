"""The lines of text files that a user writes: lists of frames, colours and names."""

from __future__ import annotations

import codecs
from pathlib import Path

from edgeunet.errors import DatasetError, not_found, system_reason

_LARGEST = 64 << 20  # bytes


def plain_head(path: Path, size: int) -> bytes:
    """The first `size` bytes, to recognise a file by its words: without a byte-order mark, and UTF-16 like ASCII.

    Empty if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return without_mark(file.read(size))
    except OSError:
        return b""


def without_mark(head: bytes) -> bytes:
    """The beginning of a file, as plain_head() gives it."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head[2:].replace(b"\0", b"")
    return head.removeprefix(codecs.BOM_UTF8)


def read_lines(path: Path) -> list[str]:
    """The lines of a file, stripped, empty ones too; a byte-order mark is left out.

    Raises DatasetError if it cannot be read or is not UTF-8.
    """
    if not path.is_file():
        raise DatasetError(not_found(path, "text file"))
    try:
        if (size := path.stat().st_size) > _LARGEST:
            raise DatasetError(f"{path} has {size:,} bytes: a text file of at most {_LARGEST:,} is expected")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({system_reason(error)})") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DatasetError(f"{path}, line {line}, is not UTF-8: save the file as UTF-8") from error
    return [line.strip() for line in text.splitlines()]
