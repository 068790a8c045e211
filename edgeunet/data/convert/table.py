"""What the values or colours of a source's masks mean: a table that gives the class index of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.data.classes import Color
from edgeunet.images import decode

UNKNOWN = -1
_COLORS = 1 << 24
Codes = NDArray[np.int32]


@dataclass(frozen=True)
class MaskTable:
    """Class index by mask value, int16 (256,), or by colour 0xRRGGBB, int16 (2^24,); UNKNOWN where there is none."""

    indices: NDArray[np.int16]

    @classmethod
    def of_values(cls, indices: Mapping[int, int], rest: int = UNKNOWN) -> MaskTable:
        """For masks of one channel; `rest` is the index of every other value."""
        table = np.full(256, rest, np.int16)
        table[list(indices)] = list(indices.values())
        return cls(table)

    @classmethod
    def of_colors(cls, indices: Mapping[Color, int]) -> MaskTable:
        """For masks in colours, (red, green, blue); grey ones count as such."""
        table = np.full(_COLORS, UNKNOWN, np.int16)
        table[[_code(color) for color in indices]] = list(indices.values())
        return cls(table)

    @property
    def in_colors(self) -> bool:
        return len(self.indices) == _COLORS

    def codes(self, data: bytes) -> Codes | str:
        """The bytes of a mask file as values or colours, int32 [h, w], or what is wrong with it."""
        mask = decode(data, cv2.IMREAD_COLOR if self.in_colors else cv2.IMREAD_UNCHANGED)
        if mask is None:
            return f"cannot be read as an image ({len(data)} bytes)"
        if self.in_colors:
            blue, green, red = (mask[..., i].astype(np.int32) for i in range(3))
            return np.asarray(red << 16 | green << 8 | blue)
        if mask.ndim != 2 or mask.dtype != np.uint8:
            return f"is {mask.dtype} {list(mask.shape)}, must be 8-bit with one channel (class index)"
        return mask.astype(np.int32)

    def name(self, code: int) -> str:
        """A code as people write it."""
        return str((code >> 16, code >> 8 & 255, code & 255)) if self.in_colors else str(code)

    def is_grey(self, code: int, below: int) -> bool:
        """Whether a code has the same red, green and blue, smaller than `below`: what a class index looks like."""
        return self.in_colors and code == _code((code & 255,) * 3) and code & 255 < below


def _code(color: Color) -> int:
    red, green, blue = color
    return red << 16 | green << 8 | blue
