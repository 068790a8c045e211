"""Whether the edges of masks lie on the edges of their images, or a pixel or two beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.imaging.letterbox import UInt8
from edgeunet.spec import IGNORE

EdgeScores = NDArray[np.float64]  # [5, 5]: image edges found at the mask's edges moved by -2 to 2 rows and columns
_REACH = 2  # pixels
_MOST = 20_000  # edge pixels of a mask that are looked at, evenly spaced
_LEAST = 50
_FRAMES = 10  # that a statement needs
_CLEARLY = 1.05  # more image edges than where the masks are; half a pixel beside them gives less
_AGREEING = 0.8  # share of the frames of which each for itself says the same


class EdgeShift(NamedTuple):
    """How far masks lie beside the edges of their images: right and down in pixels, and the share of frames for it."""

    right: int
    down: int
    share: float


def edge_scores(grey: UInt8, mask: UInt8) -> EdgeScores | None:
    """How strong the image's edges are at the mask's, for each shift, relative to their mean.

    grey, mask: uint8 [h, w], IGNORE is no class. None if the mask has too few edges, or the image none.
    """
    total, count = np.zeros((2 * _REACH + 1,) * 2), 0
    for axis in (0, 1):  # both are taken between two pixels: neither side of an edge is preferred
        steps = cv2.absdiff(*_neighbours(grey, axis))
        one, other = _neighbours(mask, axis)
        edges = (one != other) & (one != IGNORE) & (other != IGNORE)
        inside = edges[_REACH:-_REACH, _REACH:-_REACH]
        rows, columns = np.nonzero(inside)
        every = max(1, len(rows) // _MOST)
        rows, columns = rows[::every], columns[::every]
        count += len(rows)
        for down in range(2 * _REACH + 1):
            for right in range(2 * _REACH + 1):
                total[down, right] += steps[rows + down, columns + right].sum(dtype=np.float64)
    return total / total.mean() if count >= _LEAST and total.any() else None


def edge_shift(scores: Sequence[EdgeScores]) -> EdgeShift | None:
    """What the scores of many frames say together; None if the masks lie well, or it is not clear."""
    if len(scores) < _FRAMES:
        return None
    each = np.array(scores)
    mean = each.mean(0)
    down, right = np.unravel_index(int(mean.argmax()), mean.shape)
    share = float((each[:, down, right] > each[:, _REACH, _REACH]).mean())
    if mean[down, right] < _CLEARLY * mean[_REACH, _REACH] or share < _AGREEING:
        return None
    return EdgeShift(_REACH - int(right), _REACH - int(down), share)


def _neighbours(array: UInt8, axis: int) -> tuple[UInt8, UInt8]:
    """Each pixel but the last, and the one after it, along an axis."""
    return (array[:-1], array[1:]) if axis == 0 else (array[:, :-1], array[:, 1:])
