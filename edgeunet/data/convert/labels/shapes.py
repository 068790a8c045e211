"""Labels that are shapes: polygons and bitmaps, drawn over each other in their order.

Coordinates are in pixels, x to the right and y down. A polygon covers its outline too, as labelling tools draw it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.data.convert.labels.labelled_frame import UNKNOWN, FrameLabels, LabelSizeError
from edgeunet.errors import ImageError

Points: TypeAlias = NDArray[np.float64]  # [n, 2] x and y
_FRACTION = 4  # bits of a coordinate behind the point, for OpenCV
_FARTHEST = 1e6  # pixels that a coordinate may be from the frame: OpenCV's polygons have 32 bits
_OWN_CODES = 256  # of labels that the list of classes does not have


class Polygon(NamedTuple):
    """One object. value: mask value, or a label that the list of classes does not have."""

    value: int | str
    rings: Sequence[Points]  # its parts
    holes: Sequence[Points] = ()


class Bitmap(NamedTuple):
    """One object, a bitmap at a place in the frame. value: as in Polygon."""

    value: int | str
    left: int
    top: int
    pixels: NDArray[np.bool_]  # [h, w]


class LeftOut(NamedTuple):
    """A shape that a mask cannot show. kind: such as "points", for a message."""

    kind: str


Shape: TypeAlias = Polygon | Bitmap | LeftOut


@dataclass(frozen=True)
class Shapes:
    """The shapes of one frame, the lowest first.

    path: the file that has them. size: (height, width) of the frame if the file says it. background: the mask value of
    what no shape covers. listed: the shapes in a frame of a size, (height, width); may raise ImageError.
    """

    path: Path
    size: tuple[int, int] | None
    background: int
    frame: str  # its name, for messages, if the file has several; else ""
    listed: Callable[[tuple[int, int]], Iterable[Shape]]

    def read(self, size: tuple[int, int], *, turn: bool) -> FrameLabels:
        try:
            if self.size is not None and self.size != size:
                raise LabelSizeError(self.size, size)
            return drawn(self.listed(size), size, self.background)
        except ImageError as error:
            if self.frame:
                error.what = f"{self.frame}: {error.what}"
            raise


def drawn(shapes: Iterable[Shape], size: tuple[int, int], background: int) -> FrameLabels:
    """The shapes on a canvas of that size, (height, width); the later ones on top."""
    canvas = np.full(size, background, np.int16)
    codes: dict[str, int] = {}
    left_out = Counter[str]()
    empty = True
    for shape in shapes:
        empty = False
        if isinstance(shape, LeftOut):
            left_out[shape.kind] += 1
            continue
        value = shape.value
        code = codes.setdefault(value, _OWN_CODES + len(codes)) if isinstance(value, str) else value
        reason = _fill(canvas, shape, code) if isinstance(shape, Polygon) else _stamp(canvas, shape, code)
        left_out[reason] += bool(reason)
    unknown = Counter({label: n for label, code in codes.items() if (n := int((canvas == code).sum()))})
    canvas[canvas >= _OWN_CODES] = UNKNOWN
    return FrameLabels(canvas, unknown, left_out=+left_out, empty=empty)


def _fill(canvas: NDArray[np.int16], polygon: Polygon, code: int) -> str:
    """Draw a polygon; returns why there is nothing to draw, or ""."""
    rings = [ring for ring in polygon.rings if len(ring) > 2]
    for ring in (*polygon.rings, *polygon.holes):
        if not np.isfinite(ring).all():
            raise ImageError("has a polygon with coordinates that are not numbers (NaN or infinite): correct it")
        if len(ring) and np.abs(ring).max() > _FARTHEST:
            raise ImageError(f"has a polygon with the coordinate {np.abs(ring).max():g}: coordinates are pixels")
    if not rings:
        return "polygon(s) with fewer than 3 points"
    height, width = canvas.shape
    every = np.concatenate(rings)
    left, top = np.maximum(np.floor(every.min(axis=0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(every.max(axis=0)).astype(int) + 1, (width, height))
    if left >= right or top >= bottom:
        return _OUTSIDE
    if not polygon.holes:
        for ring in rings:  # one after the other: where parts overlap, OpenCV would make a hole
            cv2.fillPoly(canvas, [_fixed(ring)], code, shift=_FRACTION)
        return ""
    part = np.zeros((bottom - top, right - left), np.uint8)
    for inside, outlines in ((1, rings), (0, [hole for hole in polygon.holes if len(hole) > 2])):
        for ring in outlines:
            cv2.fillPoly(part, [_fixed(ring - (left, top))], inside, shift=_FRACTION)
    canvas[top:bottom, left:right][part == 1] = code
    return ""


def _stamp(canvas: NDArray[np.int16], bitmap: Bitmap, code: int) -> str:
    """Draw a bitmap; returns why there is nothing to draw, or ""."""
    left, top = max(0, bitmap.left), max(0, bitmap.top)
    pixels = bitmap.pixels[top - bitmap.top :, left - bitmap.left :]
    place = canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]]
    pixels = pixels[: place.shape[0], : place.shape[1]]
    if not pixels.any():
        return _OUTSIDE if bitmap.pixels.any() else "mask(s) without a pixel"
    place[pixels] = code
    return ""


_OUTSIDE = "shape(s) outside of the frame"


def _fixed(ring: Points) -> NDArray[Any]:
    # Of tools (3, 3) is the corner of a pixel, of OpenCV the middle; what is between two pixels goes to the right one,
    # so that (3, 3) to (5, 5) covers 3 to 5, as LabelMe draws it.
    return np.rint((ring - 0.5) * (1 << _FRACTION)).astype(np.int32)
