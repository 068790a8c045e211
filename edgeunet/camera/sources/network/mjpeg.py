"""MJPEG over HTTP, what simple network cameras send: one JPEG after the other (multipart/x-mixed-replace).

FFmpeg ends such a stream at the first damaged picture; here it is skipped and counted.
Layout: RFC 2046, section 5.1. Cameras do not keep to it: lengths are missing or wrong, dashes doubled, line breaks left
out, and there are extra bytes before and after a picture. Everything that a browser shows can be read here too.
"""

from __future__ import annotations

import re
import time
from typing import Any

from edgeunet.camera.sources.network.http import BROKEN
from edgeunet.camera.sources.source import Source
from edgeunet.errors import ImageError, SourceError
from edgeunet.imaging.image_header import MOST_PIXELS_STREAMED
from edgeunet.imaging.images import decode_image
from edgeunet.imaging.pixels import Pixels

LARGEST = 32 << 20  # bytes of a picture; no camera sends more
FIRST_S = 10.0  # until the first picture that can be decoded
_LINE = 8192  # bytes of a header's line
_HEADERS = 64  # lines of a header at most
_PIECE = 1 << 16  # bytes that are read at once
_START, _END = b"\xff\xd8\xff", b"\xff\xd9"
_SCAN = 0xDA  # the marker before the pixels
_END_OF_LINE = re.compile(rb"\xff\xd9\r?\n")
_OPENING = re.compile(rb"\s*(--[^\r\n]{1,200}?)(?:--)?[ \t]*\r?\n[A-Za-z-]+:")
_LENGTH = re.compile(rb"\s*[0-9]{1,9}\s*")


class MjpegSource(Source):
    """The pictures of an open response. A picture is captured when its last byte has arrived."""

    live = True
    fps = 0.0

    def __init__(self, response: Any, boundary: str, name: str) -> None:
        """Waits for the first picture; raises SourceError if none comes."""
        super().__init__()
        self.name = name
        self._response = response
        self._buffer = bytearray()
        self._divide_at(b"--" + boundary.strip().strip("'").strip("-").encode())
        self._data: bytes = b""
        self._arrived_ns = 0
        self._waiting = False  # for read(), since the source was opened
        self._take_their_boundary()
        self._first()

    def _divide_at(self, mark: bytes) -> None:
        self._mark = mark
        self._boundary = re.compile(re.escape(mark) + rb"(?:--)?[ \t]*\r?\n")

    def _take_their_boundary(self) -> None:
        """If the stream starts with another boundary than the one in its header, use that one."""
        try:
            while self._boundary_end() is None:
                if found := _OPENING.match(self._buffer):
                    self._divide_at(found[1])
                elif len(self._buffer) >= _LINE or not self._fill():
                    return
        except BROKEN:
            return  # the first read raises it

    def _first(self) -> None:
        """Read up to the first picture that can be decoded, for its size; the first read() returns it."""
        begin = time.monotonic()
        first = None
        while first is None:
            self._grab()
            first = self._retrieve()
            if first is None:
                self._number += 1
                self._skip_corrupt()
                if time.monotonic() - begin > FIRST_S:
                    raise SourceError(
                        f"{self.name} sends pictures, but none of {self._number} can be decoded: check that it is an "
                        f"MJPEG stream"
                    )
        self.size = (first.shape[0], first.shape[1])
        self._waiting = True

    def _grab(self) -> bool:
        if self._waiting:
            self._waiting = False
            return True
        try:
            data = self._part()
        except TimeoutError as error:
            raise SourceError(f"{self.name} has stopped sending: check its power and the network") from error
        except BROKEN as error:
            raise SourceError(f"{self.name} broke off ({error}): check the network") from error
        if data is None:
            raise SourceError(f"{self.name} ended after {self._number} frames: check its power and the network")
        self._data = data
        self._arrived_ns = time.perf_counter_ns()
        return True

    def _captured_ns(self) -> int:
        return self._arrived_ns

    def _retrieve(self) -> Pixels | None:
        jpeg = whole_jpeg(self._data)
        try:
            return None if jpeg is None else decode_image(jpeg, most_pixels=MOST_PIXELS_STREAMED)
        except ImageError:
            return None

    def _part(self) -> bytes | None:
        """The body of the next part that has one; None at the end of the stream."""
        while (header := self._header()) is not None:
            length, text = header
            body = self._body(length if length <= LARGEST else 0)
            if body.strip() and not (text and _START not in body):
                return body
        return None

    def _header(self) -> tuple[int, bool] | None:
        """Read the next boundary and header: the length of the body, 0 without a valid one; whether it is text."""
        while (end := self._boundary_end()) is None:
            del self._buffer[:-_LINE]  # it may end in the start of a boundary
            if not self._fill():
                return None
        self._take(end)
        length, text = 0, False
        for _ in range(_HEADERS):
            header = self._line()
            name, _, value = header.partition(b":")
            if not header.strip():
                break
            if name.strip().lower() == b"content-length" and _LENGTH.fullmatch(value):
                length = int(value)
            text = text or (name.strip().lower() == b"content-type" and value.strip().lower().startswith(b"text/"))
        return length, text

    def _boundary_end(self) -> int | None:
        found = self._boundary.search(self._buffer)
        return None if found is None else found.end()

    def _body(self, length: int) -> bytes:
        """The picture with the bytes around it: `length` bytes, if a picture ends in them, or up to the next boundary.

        Without a length also up to an end mark before a line break: that arrives before the next boundary.
        """
        while len(self._buffer) < length and self._fill():
            pass
        if length and whole_jpeg(said := bytes(self._buffer[:length])) is not None:
            return self._take(self._before_boundary(said))
        begin = 0
        while True:
            found = self._boundary.search(self._buffer, begin)
            end = found.start() if found else len(self._buffer)
            marks = [] if length else [mark.end() for mark in _END_OF_LINE.finditer(self._buffer, begin, end)]
            # Not the end mark of a thumbnail in the header.
            taken = next((at for at in marks if whole_jpeg(self._buffer[:at]) is not None), end if found else None)
            found = None  # or the buffer could not shrink
            if taken is not None:
                return self._take(taken)
            begin = max(0, len(self._buffer) - 256)
            if len(self._buffer) > LARGEST or not self._fill():
                return self._take(len(self._buffer))

    def _before_boundary(self, said: bytes) -> int:
        """The length of a body whose header claims too much: it may end inside the next boundary."""
        if boundary := self._boundary.search(said):
            return boundary.start()
        start = next((n for n in range(len(self._mark), 0, -1) if said.endswith(self._mark[:n])), 0)
        return len(said) - start

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0 and len(self._buffer) < _LINE and self._fill():
            pass
        return self._take(end + 1 if end >= 0 else _LINE)

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _fill(self) -> bool:
        """Wait for more bytes; False at the end of the stream."""
        piece = self._response.read1(_PIECE)
        self._buffer += piece
        return bool(piece)

    def close(self) -> None:
        self._response.close()


def whole_jpeg(data: bytes | bytearray) -> bytes | None:
    """A JPEG without the bytes before and after it; None if it is cut, which decoders show with a grey rest.

    Only an end mark after the start of the pixels counts: a thumbnail in the header has one too.
    """
    start = data.find(_START)
    at = start + 2
    while start >= 0 and at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xFF:  # padding
            at += 1
            continue
        if data[at + 1] == _SCAN:
            end = data.find(_END, at)
            return bytes(data[start : end + 2]) if end >= 0 else None
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
