"""A .onnx file's metadata, read without a backend: which one opens it depends on what the file says.

Layout: ModelProto of onnx.proto (metadata_props is field 14), encoded as protocol buffers' "Encoding" describes.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

_METADATA, _KEY, _VALUE = 14, 1, 2
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


def metadata_of(path: Path) -> dict[str, str]:
    """Key and value of each entry; the graph is skipped, whatever its size. Empty for a file that is no .onnx file."""
    found: dict[str, str] = {}
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            while file.tell() < size:
                number, kind, length = _field(file)
                if (number, kind) == (_METADATA, _BYTES):
                    entry = _strings(_whole(file, length))
                    found[entry.get(_KEY, "")] = entry.get(_VALUE, "")
                else:
                    file.seek(length, os.SEEK_CUR)
    except (OSError, ValueError):  # whoever opens the file says what is wrong with it
        return {}
    return found


def _strings(message: bytes) -> dict[int, str]:
    """The text fields of a message, by number."""
    file, found = BytesIO(message), {}
    while file.tell() < len(message):
        number, kind, length = _field(file)
        text = _whole(file, length)
        if kind == _BYTES:
            found[number] = text.decode()
    return found


def _whole(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) < length:
        raise ValueError("the file ends within a field")
    return data


def _field(file: BinaryIO) -> tuple[int, int, int]:
    """A field's number and wire type, and the length of what follows; a varint is read, and nothing follows."""
    tag = _varint(file)
    number, kind = tag >> 3, tag & 7
    if kind == _VARINT:
        _varint(file)
        return number, kind, 0
    lengths = {_FIXED64: 8, _FIXED32: 4}
    if kind != _BYTES and kind not in lengths:
        raise ValueError(f"wire type {kind}")
    return number, kind, lengths[kind] if kind in lengths else _varint(file)


def _varint(file: BinaryIO) -> int:
    value = shift = 0
    while shift < 64:
        byte = file.read(1)
        if not byte:
            raise ValueError("the file ends within a number")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
        shift += 7
    raise ValueError("a number of more than 64 bits")
