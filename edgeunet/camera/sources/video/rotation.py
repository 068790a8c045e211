"""How to rotate and mirror a video's pictures so that they are upright."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeunet.imaging.pixels import Pixels

if TYPE_CHECKING:
    from av import VideoFrame

_NUMBERS = struct.Struct("=9i")  # of a display matrix, in FFmpeg's layout: a b u, c d v, x y w
_NAME = "DISPLAYMATRIX"


@dataclass(frozen=True)
class Rotation:
    """sideways: rows and columns are swapped first. down, left: rows, columns are then in reverse order."""

    sideways: bool = False
    down: bool = False
    left: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Rotation:
        """From the matrix of a frame; as in OpenCV, only quarter turns count."""
        sides: Mapping[Any, Any] = frame.side_data  # PyAV's types do not say what is in it
        matrix = bytes(sides.get(_NAME, b""))
        if len(matrix) < _NUMBERS.size:
            return cls()
        # A point at x, y of the picture is shown at a·x + c·y, b·x + d·y.
        a, b, _, c, d, *_ = _NUMBERS.unpack_from(matrix)
        if a and d and not (b or c):
            return cls(down=d < 0, left=a < 0)
        if b and c and not (a or d):
            return cls(sideways=True, down=b < 0, left=c < 0)
        return cls()

    def upright(self, pixels: Pixels) -> Pixels:
        """A picture, [h, w, channels], upright: contiguous, the same one if nothing changes."""
        shown = pixels.swapaxes(0, 1) if self.sideways else pixels
        shown = shown[:: -1 if self.down else 1, :: -1 if self.left else 1]
        return np.ascontiguousarray(shown)
