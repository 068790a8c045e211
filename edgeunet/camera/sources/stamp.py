"""A frame's number and capture time as black and white squares in its lowest rows.

They survive JPEG, H.264 and an overlay: each bit is two squares next to each other, and only which of them is darker
counts. A checksum tells a stamp from anything else.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from edgeunet.errors import FrameError
from edgeunet.imaging.pixels import Pixels

CELL = 8  # pixels: the blocks of JPEG
_FIELDS = struct.Struct(">IqI")  # number, captured_ns, CRC-32 of both
_BITS = _FIELDS.size * 8


def fits_stamp(size: tuple[int, int]) -> bool:
    """Whether the stamp takes at most half of a frame of this size (height, width)."""
    return size[1] >= 2 * CELL and _rows(size[1]) * CELL * 2 <= size[0]


def write_stamp(pixels: Pixels, number: int, captured_ns: int) -> None:
    """Write over the lowest rows of a frame, uint8 or uint16 [h, w, channels]."""
    height, width = pixels.shape[:2]
    plain = struct.pack(">Iq", number & 0xFFFF_FFFF, captured_ns)
    bits = np.unpackbits(np.frombuffer(plain + zlib.crc32(plain).to_bytes(4, "big"), np.uint8))
    rows, columns = _rows(width), _columns(width)
    cells = np.full(rows * columns, 128, np.uint8)
    cells[: 2 * _BITS : 2] = bits * 255
    cells[1 : 2 * _BITS : 2] = 255 - bits * 255
    squares = cells.reshape(rows, columns).repeat(CELL, axis=0).repeat(CELL, axis=1)
    pixels[height - rows * CELL :, : columns * CELL] = squares[..., None].astype(pixels.dtype) * (
        np.iinfo(pixels.dtype).max // 255
    )


def decode_stamp(pixels: Pixels) -> tuple[int, int]:
    """(number, captured_ns) of a frame, uint8 or uint16 [h, w, channels], after any compression at its own size.

    Raises FrameError if there is no readable stamp.
    """
    height, width = pixels.shape[:2]
    if fits_stamp((height, width)):
        rows, columns = _rows(width), _columns(width)
        area = pixels[height - rows * CELL :, : columns * CELL].mean(axis=2).reshape(rows, CELL, columns, CELL)
        cells = area[:, 2:-2, :, 2:-2].mean(axis=(1, 3)).ravel()  # the edges of a square bleed
        data = np.packbits(cells[: 2 * _BITS : 2] > cells[1 : 2 * _BITS : 2]).tobytes()
        number, captured_ns, checksum = _FIELDS.unpack(data)
        if checksum == zlib.crc32(data[:-4]):
            return number, captured_ns
    raise FrameError(f"no stamp of a synthetic:// source can be read in these {width}×{height} pixels")


def _columns(width: int) -> int:
    """Squares in a row: an even number, so that both of a bit are in one row."""
    return width // (2 * CELL) * 2


def _rows(width: int) -> int:
    return -(-2 * _BITS // _columns(width))
