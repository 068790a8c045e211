"""Images that edgeunet writes under names that nobody typed; they carry its name, so that no other file is replaced."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2

from edgeunet.errors import OutputError
from edgeunet.imaging.letterbox import UInt8
from edgeunet.utils.files import replacing, writing

_NAME = b"edgeunet"
_TEXT = b"tEXtSoftware\0" + _NAME
_PNG_CHUNK = (len(_TEXT) - 4).to_bytes(4, "big") + _TEXT + zlib.crc32(_TEXT).to_bytes(4, "big")
_JPEG_COMMENT = b"\xff\xfe" + (len(_NAME) + 2).to_bytes(2, "big") + _NAME
_PLACES = {".png": (33, _PNG_CHUNK), ".jpg": (20, _JPEG_COMMENT)}  # behind the header of OpenCV's PNG and JPEG


def write_image(path: Path, image: UInt8) -> None:
    """Write an image [h, w] or [h, w, 3] as PNG or JPEG, whole or not at all; replaces a file.

    Raises OutputError, on a full disk for example.
    """
    place, mark = _PLACES[path.suffix]
    data = cv2.imencode(path.suffix, image)[1].tobytes()
    with writing(path), replacing(path, force=True) as temporary:
        temporary.write_bytes(data[:place] + mark + data[place:])


def require_written(path: Path) -> None:
    """Raise OutputError if there is a file that write_image() did not write."""
    if path.exists():
        place, mark = _PLACES[path.suffix]
        with path.open("rb") as file:
            head = file.read(place + len(mark))
        if head[place:] != mark:
            raise OutputError(f"{path} was not written by this version of edgeunet: move it, or give another folder")
