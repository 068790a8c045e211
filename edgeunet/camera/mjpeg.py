"""MJPEG over HTTP, what simple network cameras send: one JPEG after the other (multipart/x-mixed-replace).

FFmpeg ends such a stream at the first damaged picture; here it is skipped and counted.
Layout: RFC 2046, section 5.1. Cameras take it lightly: some leave out the length, some double the dashes.
"""

from __future__ import annotations

import http.client
import re
import time
from typing import Any, BinaryIO
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    build_opener,
)

from edgeunet.camera.address import Address
from edgeunet.camera.source import Source
from edgeunet.errors import ImageError, SourceError
from edgeunet.frames import UInt8
from edgeunet.image_header import MOST_PIXELS_STREAMED
from edgeunet.images import decode_image

LARGEST = 32 << 20  # bytes of a picture; more is no camera's
_LINE = 8192  # bytes of a header's line
_MULTIPART = re.compile(r'multipart/.*boundary="?([^";]+)', re.IGNORECASE)
_BROKEN = (OSError, http.client.HTTPException)


class MjpegSource(Source):
    """The pictures of an open response. A picture is captured when its last byte has arrived."""

    live = True
    fps = 0.0

    def __init__(self, response: BinaryIO, boundary: str, name: str) -> None:
        """Waits for the first picture; raises SourceError if none comes."""
        super().__init__()
        self.name = name
        self._response = response
        self._boundary = boundary.strip().strip("-").encode()
        self._data: bytes | None = None
        self._arrived_ns = 0
        self._at_boundary = False  # its line was read
        self._waiting = False  # for read(), since the source was opened
        self._first()

    def _first(self) -> None:
        """Read up to the first picture that can be decoded, for its size, and keep it for the first read()."""
        first = None
        while first is None:
            self._grab()
            first = self._retrieve()
            if first is None:
                self._number += 1
                self._skip_corrupt()
        self.size = (first.shape[0], first.shape[1])
        self._waiting = True

    def _grab(self) -> bool:
        if self._waiting:
            self._waiting = False
            return True
        try:
            self._data = self._part()
        except TimeoutError as error:
            raise SourceError(f"{self.name} sends nothing any more: check its power and the network") from error
        except _BROKEN as error:
            raise SourceError(f"{self.name} broke off ({error}): check the network") from error
        if self._data is None:
            raise SourceError(f"{self.name} ended after {self._number} frames: check its power and the network")
        self._arrived_ns = time.perf_counter_ns()
        return True

    def _captured_ns(self) -> int:
        return self._arrived_ns

    def _retrieve(self) -> UInt8 | None:
        # A JPEG that was cut is decoded to a picture with a grey rest, so its end is looked at first.
        if self._data is None or not self._data.rstrip(b"\0\r\n").endswith(b"\xff\xd9"):
            return None
        try:
            return decode_image(self._data, most_pixels=MOST_PIXELS_STREAMED)
        except ImageError:
            return None

    def _part(self) -> bytes | None:
        """The body of the next part, b"" if it has none that can be one; None at the end of the stream."""
        skipped = 0
        while not self._at_boundary:
            line = self._response.readline(_LINE)
            if not line:
                return None
            self._at_boundary = self._is_boundary(line)
            skipped += len(line)
            if skipped > LARGEST:
                return b""
        self._at_boundary = False
        length = None
        while (header := self._response.readline(_LINE)).strip():
            name, _, value = header.partition(b":")
            if name.strip().lower() == b"content-length" and value.strip().isdigit():
                length = int(value)
        if length is None:
            return self._until_its_end()
        return self._response.read(length) if length <= LARGEST else b""

    def _until_its_end(self) -> bytes:
        """A body without a length: to a line that ends with the end mark of a JPEG, or to the next boundary."""
        data = bytearray()
        while len(data) < LARGEST and (line := self._response.readline(_LINE)):
            self._at_boundary = self._is_boundary(line)
            if self._at_boundary:
                break
            data += line
            if data.endswith((b"\xff\xd9\r\n", b"\xff\xd9\n")):
                break
        return bytes(data)

    def _is_boundary(self, line: bytes) -> bool:
        return line.rstrip(b"\r\n -").endswith(b"--" + self._boundary)  # garbage may stand before it

    def close(self) -> None:
        self._response.close()


class _ClosesAnswer:
    """urllib's login handlers leave the answer that asked for the login open, and fail at each other's schemes."""

    def http_error_401(self, request: Any, answer: Any, *details: Any) -> Any:
        try:
            second = super().http_error_401(request, answer, *details)  # type: ignore[misc]
        except HTTPError:
            answer.close()
            raise
        except ValueError:
            return None
        if second is not None:
            answer.close()
        return second


class _Basic(_ClosesAnswer, HTTPBasicAuthHandler):
    pass


class _Digest(_ClosesAnswer, HTTPDigestAuthHandler):
    pass


def open_mjpeg(address: Address, timeout_s: float) -> MjpegSource | None:
    """Ask an http:// address for its pictures; None if it answers with anything but MJPEG.

    A login in the address is used for Basic and Digest. Raises SourceError if nobody answers, or refuses.
    """
    logins = HTTPPasswordMgrWithDefaultRealm()
    opener = build_opener(_Basic(logins), _Digest(logins))
    try:
        parts = urlsplit(address.target)
        plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        if parts.username is not None:
            logins.add_password(None, plain, unquote(parts.username), unquote(parts.password or ""))
        response = opener.open(plain, timeout=timeout_s)
    except HTTPError as error:
        error.close()
        remedy = "check user and password" if error.code in (401, 403) else "check the address"
        raise SourceError(f"{address.name} answers {error.code} {error.reason}: {remedy}") from error
    except _BROKEN as error:
        raise SourceError(f"{address.name} cannot be reached ({getattr(error, 'reason', error)}): check it") from error
    except ValueError as error:
        raise SourceError(f"{address.name} is no address that HTTP understands: expected http://host/path") from error
    found = _MULTIPART.match(response.headers.get("Content-Type", ""))
    if found is None:
        response.close()
        return None
    try:
        return MjpegSource(response, found[1], address.name)
    except BaseException:
        response.close()
        raise
