"""Drawing a mask over the camera's picture, with a legend of the class colours and the rate."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import UsageError
from edgeunet.imaging.drawing import (
    SMOOTHING,
    class_colors,
    draw_text,
    fill_rounded,
    font_scale,
    reduced,
    text_width,
    whole,
)
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels, picture_of
from edgeunet.spec import ModelSpec

OPACITY = 0.45  # of the class colours
PANEL_OPACITY = 0.68
PANEL_COLOR = (26, 22, 20)  # (blue, green, red)
TEXT_COLOR = (245, 245, 245)


class Overlay:
    """Draws masks over copies of frames. Frames and masks may change their size. For one thread.

    levels: of the spec, for frames of 16 bits.
    """

    def __init__(self, spec: ModelSpec, opacity: float) -> None:
        """opacity: of the class colours, 0 to 1."""
        if not 0.0 <= opacity <= 1.0:
            raise UsageError(f"the opacity of the overlay is 0 to 1, got {opacity}")
        self._names = tuple(name.replace("_", " ") for name in spec.names)
        self._colors = class_colors(spec.classes)
        self._opacity = opacity
        self.levels = spec.levels
        self._swatches = [c.color[::-1] for c in spec.classes]
        self._letterbox: Letterbox | None = None  # for which the arrays below are made
        self._small: UInt8 = np.empty((0, 0, 3), np.uint8)
        self._stretched = self._wide = self._large = self._small
        self._rows: NDArray[np.intp] = np.empty(0, np.intp)  # of `_wide`, for each row of `_large`
        self._panel = _Panel((0, 0), self._names, self._swatches)

    def draw(self, pixels: Pixels, mask: UInt8, letterbox: Letterbox, lines: Sequence[str] = ()) -> UInt8:
        """A new picture, uint8 [h, w, 3] BGR: a frame of any kind with the mask, and the legend with `lines`."""
        drawn = self.blend(picture_of(pixels, self.levels), mask, letterbox)
        self.label(drawn, lines)
        return drawn

    def blend(self, picture: UInt8, mask: UInt8, letterbox: Letterbox) -> UInt8:
        """A new picture, uint8 [h, w, 3] BGR: `picture`, of the same kind, with the mask, without a legend.

        `picture` is not changed: other threads may use it.
        """
        height, width = letterbox.frame_size
        if letterbox != self._letterbox:
            self._letterbox = letterbox
            self._small = np.empty((letterbox.height, letterbox.width, 4), np.uint8)
            self._stretched = np.empty((letterbox.height, width, 4), np.uint8)
            self._wide = np.empty((letterbox.height, width, 3), np.uint8)
            self._large = np.empty((height, width, 3), np.uint8)
            self._rows = np.arange(height) * letterbox.height // height
            self._panel = _Panel((height, width), self._names, self._swatches)
        colored = cv2.applyColorMap(letterbox.inside(mask), self._colors)
        # First along the rows, in pixels of four bytes, then whole rows: cv2.resize() takes twice as long for three,
        # and four times as long for all at once.
        cv2.cvtColor(colored, cv2.COLOR_BGR2BGRA, dst=self._small)
        cv2.resize(self._small, (width, letterbox.height), dst=self._stretched, interpolation=cv2.INTER_NEAREST)
        cv2.cvtColor(self._stretched, cv2.COLOR_BGRA2BGR, dst=self._wide)
        np.take(self._wide, self._rows, axis=0, out=self._large, mode="clip")
        drawn = np.empty_like(picture)
        cv2.addWeighted(picture, 1.0 - self._opacity, self._large, self._opacity, 0.0, dst=drawn)
        return drawn

    def label(self, blended: UInt8, lines: Sequence[str]) -> None:
        """Draw the legend, with `lines` of text below it, over the picture that blend() returned last."""
        self._panel.draw(blended, tuple(lines))


class _Panel:
    """The legend in the upper left corner, on frames that have room for it; drawn again only when its text changes."""

    def __init__(
        self, frame_size: tuple[int, int], names: Sequence[str], colors: Sequence[tuple[int, int, int]]
    ) -> None:
        self._frame_size = frame_size
        self._unit = max(10.0, min(frame_size) / 32)  # pixels; the other lengths are in proportion
        self._margin = round(self._unit * 0.9)
        self._names = names
        self._colors = colors
        self._lines: tuple[str, ...] | None = None
        self._ink: UInt8 = np.empty((0, 0, 3), np.uint8)
        self._rest = self._ink

    def draw(self, pixels: Pixels, lines: tuple[str, ...]) -> None:
        if lines != self._lines:
            self._lines = lines
            self._render(lines)
        height, width = self._ink.shape[:2]
        top = left = self._margin
        if top + height > self._frame_size[0] or left + width > self._frame_size[1]:
            return
        corner = pixels[top : top + height, left : left + width]
        corner[:] = cv2.add(cv2.multiply(corner, self._rest, scale=1 / 255), self._ink)

    def _render(self, lines: tuple[str, ...]) -> None:
        """The panel's part of the picture, and the camera's share, 0 to 255; uint8 [h, w, 3]."""
        scale = self._unit * SMOOTHING
        font = font_scale(0.62 * scale)
        stroke = max(1, round(scale / 11))
        pad, row, swatch = round(scale * 0.75), round(scale * 1.35), round(scale * 0.85)
        indent = swatch + round(scale * 0.55)
        widths = [indent + text_width(n, font, stroke) for n in self._names]
        widths += [text_width(line, font, stroke) for line in lines]
        rule = round(scale * 0.5) if lines else 0
        height = whole(2 * pad + row * (len(self._names) + len(lines)) + rule)
        width = whole(2 * pad + max(widths))
        picture = np.empty((height, width, 3), np.uint8)
        cv2.rectangle(picture, (0, 0), (width, height), PANEL_COLOR, cv2.FILLED)
        weight = np.zeros((height, width), np.uint8)
        fill_rounded(weight, 0, 0, width, height, round(scale * 0.5), round(255 * PANEL_OPACITY))
        y = pad
        for name, color in zip(self._names, self._colors, strict=True):
            top = y + (row - swatch) // 2
            for canvas, value in ((picture, color), (weight, 255)):
                fill_rounded(canvas, pad, top, swatch, swatch, round(scale * 0.18), value)
            _write(picture, weight, name, (pad + indent, y + row // 2), font, stroke)
            y += row
        if lines:
            cv2.line(picture, (pad, y + rule // 2), (width - pad, y + rule // 2), (120, 116, 112), stroke)
            y += rule
        for line in lines:
            _write(picture, weight, line, (pad, y + row // 2), font, stroke)
            y += row
        weight = np.asarray(cv2.cvtColor(reduced(weight), cv2.COLOR_GRAY2BGR), dtype=np.uint8)
        self._ink = np.asarray(cv2.multiply(reduced(picture), weight, scale=1 / 255), dtype=np.uint8)
        self._rest = 255 - weight


def _write(picture: UInt8, weight: UInt8, text: str, left_middle: tuple[int, int], font: float, stroke: int) -> None:
    draw_text(picture, text, left_middle, font, stroke, TEXT_COLOR)
    draw_text(weight, text, left_middle, font, stroke, 255)
