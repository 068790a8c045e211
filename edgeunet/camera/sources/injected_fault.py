"""Faults of a camera that the synthetic source can show, for tests of what finds them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np

from edgeunet.errors import UsageError
from edgeunet.imaging.pixels import Pixels

FaultKind = Literal["freeze", "black", "white", "cover", "blur", "stall"]
_LEFT = 32  # part of the contrast that a covered lens leaves
_BLUR = 24  # part of the width over which a lens out of focus spreads a point


@dataclass(frozen=True)
class InjectedFault:
    """kind: "freeze" repeats the last picture before it, "stall" gives no frames. first, end: numbers of frames, from
    the first one that has the fault to the first one without it.
    """

    kind: FaultKind
    first: int
    end: int

    @classmethod
    def parse(cls, text: str) -> InjectedFault:
        """Read KIND:FIRST:END; raises UsageError."""
        found = re.fullmatch(r"([a-z]+):([0-9]{1,9}):([0-9]{1,9})", text)
        kind = next((kind for kind in get_args(FaultKind) if found and kind == found[1]), None)
        if found is None or kind is None or int(found[2]) >= int(found[3]):
            raise UsageError(
                f"fault is KIND:FIRST:END with numbers of frames, END above FIRST, such as freeze:100:200, got "
                f"{text[:40]!r}; the kinds are {', '.join(get_args(FaultKind))}"
            )
        return cls(kind, int(found[2]), int(found[3]))

    def covers(self, number: int) -> bool:
        """Whether the frame of this number has it."""
        return self.first <= number < self.end

    def shown(self, pixels: Pixels, last: Pixels) -> Pixels:
        """The picture of a frame that has it. last: what was shown before; the same array is not returned."""
        if self.kind == "freeze":
            return np.array(last)
        if self.kind in ("black", "white"):
            return np.full_like(pixels, 0 if self.kind == "black" else np.iinfo(pixels.dtype).max)
        if self.kind == "cover":
            mean = pixels.mean(axis=(0, 1), keepdims=True)
            return np.asarray(mean + (pixels - mean) / _LEFT, pixels.dtype)
        side = max(3, pixels.shape[1] // _BLUR)
        return np.asarray(cv2.blur(pixels, (side, side))).reshape(pixels.shape)
