"""What the values or colours of a source's masks mean: a table of class indices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeunet.data.classes import Color
from edgeunet.data.convert.labels.labelled_frame import UNKNOWN, Moved
from edgeunet.errors import ImageError
from edgeunet.imaging.mask_image import Mask, Numbers, code_of

_COLORS = 1 << 24
_AT_ONCE = 4096  # colours


def _levels(codes: NDArray[Any]) -> NDArray[np.int32]:
    """Colours 0xRRGGBB as [n, 3]."""
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(np.int32)


@dataclass(frozen=True)
class MaskTable:
    """Class index by mask value, int16 (256,), or by colour 0xRRGGBB, int16 (2^24,); UNKNOWN where there is none."""

    indices: NDArray[np.int16]
    nearest: bool = False  # a colour that is not in it counts as the one that is nearest

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
            are = "is in colours" if mask.stored.ndim == 3 else "has 16 bits, which count as colours"
            raise ImageError(f"{are}, and masks of class indices are expected: give --layout colors")
        return mask.numbers

    def look_up(self, codes: Numbers) -> tuple[NDArray[np.int16], Moved]:
        """int32 [h, w] codes → class indices [h, w], and which pixels have taken the nearest colour's."""
        indices = self.indices[codes]
        if not self.nearest or not (strange := indices == UNKNOWN).any():
            return indices, Moved()
        found, where = np.unique(codes[strange], return_inverse=True)
        known = np.flatnonzero(self.indices != UNKNOWN)
        near = np.empty(len(found), np.int64)
        steps = np.empty(len(found))
        for start in range(0, len(found), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            squares = ((_levels(found[part])[:, None] - _levels(known)) ** 2).sum(-1)
            near[part], steps[part] = squares.argmin(1), squares.min(1) ** 0.5
        indices[strange] = self.indices[known[near]][where]
        return indices, Moved(int(strange.sum()), float(steps.max()), self.name(int(found[steps.argmax()])))

    def name(self, code: int) -> str:
        """A code as people write it."""
        return str((code >> 16, code >> 8 & 255, code & 255)) if self.in_colors else str(code)
