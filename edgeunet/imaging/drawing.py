"""Class colours, and text with smooth edges, for the camera's legend and a dataset's contact sheet.

OpenCV's text has rough edges, so it is drawn SMOOTHING times larger and then reduced.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edgeunet.imaging.letterbox import UInt8
from edgeunet.spec import ClassInfo

SMOOTHING = 4  # a power of 2
_FONT = cv2.FONT_HERSHEY_DUPLEX


def class_colors(classes: Sequence[ClassInfo]) -> UInt8:
    """What cv2.applyColorMap() takes: uint8 [256, 1, 3] BGR, by class index; black beyond the classes."""
    colors = np.zeros((256, 1, 3), np.uint8)
    colors[: len(classes), 0] = [c.color[::-1] for c in classes]
    return colors


def whole(length: int) -> int:
    """The next length that is a multiple of SMOOTHING."""
    return -(-length // SMOOTHING) * SMOOTHING


def reduced(picture: UInt8) -> UInt8:
    """1 / SMOOTHING of its height and width, by halves: OpenCV is 8 times as fast with a half as with a third."""
    for _ in range(SMOOTHING.bit_length() - 1):
        picture = np.asarray(
            cv2.resize(picture, (picture.shape[1] // 2, picture.shape[0] // 2), interpolation=cv2.INTER_AREA),
            dtype=np.uint8,
        )
    return picture


def font_scale(height: float) -> float:
    """The scale at which capital letters have that height, in pixels."""
    return height / float(cv2.getTextSize("X", _FONT, 1.0, 1)[0][1])


def text_width(text: str, font: float, stroke: int) -> int:
    """Pixels that a line of text takes, at a scale of font_scale() and with lines `stroke` pixels wide."""
    return int(cv2.getTextSize(text, _FONT, font, stroke)[0][0])


def draw_text(
    canvas: UInt8,
    text: str,
    left_middle: tuple[int, int],
    font: float,
    stroke: int,
    color: int | tuple[int, int, int],
) -> None:
    """A line of text that begins at (x, y), y being the middle of its capitals; `color` as in fill_rounded()."""
    height = cv2.getTextSize("X", _FONT, font, stroke)[0][1]
    origin = (left_middle[0], left_middle[1] + height // 2)
    cv2.putText(canvas, text, origin, _FONT, font, _scalar(color), stroke, cv2.LINE_AA)


def fill_rounded(
    canvas: UInt8, left: int, top: int, width: int, height: int, radius: int, color: int | tuple[int, int, int]
) -> None:
    """A filled rectangle with round corners; `color` is (blue, green, red), or a number on a canvas of one channel."""
    right, bottom = left + width - 1, top + height - 1
    value = _scalar(color)
    cv2.rectangle(canvas, (left + radius, top), (right - radius, bottom), value, cv2.FILLED)
    cv2.rectangle(canvas, (left, top + radius), (right, bottom - radius), value, cv2.FILLED)
    for x in (left + radius, right - radius):
        for y in (top + radius, bottom - radius):
            cv2.circle(canvas, (x, y), radius, value, cv2.FILLED)


def _scalar(color: int | tuple[int, int, int]) -> tuple[int, ...]:
    return color if isinstance(color, tuple) else (color,)
