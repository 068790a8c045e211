"""The objects of a mask: connected pixels of one class, and how large they are for the network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.imaging.letterbox import UInt8
from edgeunet.imaging.mask_image import value_counts
from edgeunet.spec import IGNORE

Areas = NDArray[np.float32]  # pixels of each object
_PIXELS = 256 * 320  # of the usual input size
_TILE_PIXELS = 4 * _PIXELS  # of the largest tile: a frame is then cut to keep its resolution, and a CPU can train it
_MULTIPLE = 32
_MOST = 10_000  # objects of a class that are kept of a frame, evenly spaced by size
_TINY = 2.0  # pixels: the side of a square of this area; less is lost in the first layers
_SHARE = 0.25  # of a class's pixels in tiny objects: less are the fringes of larger ones


class TinyObjects(NamedTuple):
    """share: of a class's objects that are tiny at the input size, 0 to 1. side: of the median object, in pixels."""

    share: float
    side: float


def usual_input_size(sizes: Sequence[tuple[int, int]], tiles: tuple[int, int] = (1, 1)) -> tuple[int, int]:
    """An input size (height, width) of the frames' shape with about 256×320 pixels, multiples of 32, never enlarged.

    With several tiles, (rows, columns): that of one tile where all together have the frames' resolution, or, with more
    than 512×640 pixels in a tile, less.
    sizes: (height, width) of the frames.
    """
    height, width = median(size[0] for size in sizes), median(size[1] for size in sizes)
    if tiles == (1, 1):
        scale = min(1.0, (_PIXELS / (height * width)) ** 0.5)
        return _rounded(height * scale), _rounded(width * scale)
    height, width = (side / (count - (count - 1) / 8) for side, count in zip((height, width), tiles, strict=True))
    scale = min(1.0, (_TILE_PIXELS / (height * width)) ** 0.5)
    if scale < 1:
        return _rounded(height * scale), _rounded(width * scale)
    return math.ceil(height / _MULTIPLE) * _MULTIPLE, math.ceil(width / _MULTIPLE) * _MULTIPLE


def usual_tiles(size: tuple[int, int]) -> tuple[int, int]:
    """The fewest tiles, (rows, columns), that keep the resolution of frames of `size` (height, width)."""
    side = _TILE_PIXELS**0.5
    rows, columns = (max(1, math.ceil((length / side - 1 / 8) / (7 / 8))) for length in size)
    return rows, columns


def object_areas(mask: UInt8) -> dict[int, Areas]:
    """The area of every object of each class; pixels that touch at a corner belong together."""
    found = {}
    for index in np.flatnonzero(value_counts(mask)[:IGNORE]).tolist():
        objects = (mask == index).view(np.uint8)
        _, _, boxes, _ = cv2.connectedComponentsWithStats(objects, connectivity=8, ltype=cv2.CV_32S)
        areas = np.sort(boxes[1:, cv2.CC_STAT_AREA])
        found[index] = areas[:: -(-len(areas) // _MOST)].astype(np.float32)
    return found


def tiny_objects(areas: Sequence[Areas], scales: Sequence[float]) -> TinyObjects | None:
    """Of the objects of one class, a frame each; None if most objects, or most of their pixels, are large enough.

    scales: by which each frame becomes smaller at the input size.
    """
    fitted = np.concatenate([a * min(1.0, s) ** 2 for a, s in zip(areas, scales, strict=True)] or [np.zeros(0)])
    tiny = fitted < _TINY**2
    if not len(fitted) or tiny.mean() < 0.5 or fitted[tiny].sum() < _SHARE * fitted.sum():
        return None
    return TinyObjects(float(tiny.mean()), float(np.median(fitted)) ** 0.5)


def _rounded(side: float) -> int:
    return max(_MULTIPLE, round(side / _MULTIPLE) * _MULTIPLE)
