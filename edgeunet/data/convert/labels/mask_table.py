"""What the values or colours of a source's masks mean: a table of class indices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeunet.data.classes import Color
from edgeunet.data.convert.labels.labelled_frame import UNKNOWN
from edgeunet.errors import ImageError
from edgeunet.imaging.mask_image import Mask, Numbers, code_of

_COLORS = 1 << 24


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
        """For masks in colours, (red, green, blue); grey masks count as colours too."""
        table = np.full(_COLORS, UNKNOWN, np.int16)
        table[[code_of(color) for color in indices]] = list(indices.values())
        return cls(table)

    @property
    def in_colors(self) -> bool:
        return len(self.indices) == _COLORS

    def codes(self, mask: Mask) -> Numbers:
        """A mask as values or colours, int32 [h, w]; raises ImageError for colours where values are expected."""
        if self.in_colors:
            return mask.colors
        if mask.numbers is None:
            raise ImageError("is in colours, and masks of class indices are expected: give --layout colors")
        return mask.numbers

    def name(self, code: int) -> str:
        """A code as people write it."""
        return str((code >> 16, code >> 8 & 255, code & 255)) if self.in_colors else str(code)
