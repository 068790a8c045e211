"""CDR, the bytes in which ROS 2 sends messages: version 1 with the encapsulation header, OMG DDSI-RTPS 2.5, chapter 10.

Four bytes of header, of which the second says whether numbers are little-endian; then the fields in order, each number
at a multiple of its size, counted from behind the header. Before a text (with its NUL) and a list comes its length,
uint32.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

HEADER = b"\x00\x01\x00\x00"  # little-endian
_SIZES = {"B": 1, "i": 4, "I": 4}


class CdrReader:
    """Reads the fields of one message. Every method raises ValueError if the bytes end too early or make no sense."""

    def __init__(self, data: bytes) -> None:
        if len(data) < len(HEADER) or data[0] != 0 or data[1] > 1:
            raise ValueError("no CDR message")
        self._order = "<" if data[1] else ">"
        self._data = memoryview(data)[len(HEADER) :]
        self._at = 0

    def number(self, code: str) -> int:
        """A number of the struct module's code: B (uint8), i (int32), I (uint32)."""
        size = _SIZES[code]
        self._at += -self._at % size
        (value,) = struct.unpack(self._order + code, self._take(size))
        return int(value)

    def text(self) -> str:
        """A text; bytes that are not UTF-8 become escapes."""
        return bytes(self.block()).rstrip(b"\0").decode("utf-8", "backslashreplace")

    def block(self) -> memoryview:
        """A list of uint8, not copied."""
        return self._take(self.number("I"))

    def _take(self, size: int) -> memoryview:
        begin, self._at = self._at, self._at + size
        if self._at > len(self._data):
            raise ValueError("a message that ends early")
        return self._data[begin : self._at]


class CdrWriter:
    """Writes the fields of one message, little-endian."""

    def __init__(self) -> None:
        self._parts: list[bytes | memoryview] = [HEADER]
        self._size = 0

    def number(self, code: str, value: int) -> None:
        """As CdrReader.number()."""
        size = _SIZES[code]
        self._add(bytes(-self._size % size) + struct.pack("<" + code, value))

    def text(self, value: str) -> None:
        """A text; what follows a NUL in it is left out, as every reader in C would do."""
        self.block(value.partition("\0")[0].encode("utf-8", "backslashreplace") + b"\0")

    def block(self, data: bytes | memoryview) -> None:
        """A list of uint8."""
        self.number("I", len(data))
        self._add(data)

    def texts(self, pairs: Sequence[tuple[str, str]]) -> None:
        """A list of pairs of texts."""
        self.number("I", len(pairs))
        for pair in pairs:
            for value in pair:
                self.text(value)

    def message(self) -> bytes:
        """All of it, with the header."""
        return b"".join(self._parts)

    def _add(self, data: bytes | memoryview | Any) -> None:
        self._parts.append(data)
        self._size += len(data)
