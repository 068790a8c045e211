"""A road scene that moves, with a known mask, and with each frame's number and capture time in its pixels.

It has colours, or is what a thermal camera sees.

For tests and latency measurements. The scene is drawn once, twice as wide as a frame; a frame is a window that moves
over it: a copy of memory, 0.4 ms at 1280×720.
"""

from __future__ import annotations

import threading
import time

import cv2
import numpy as np

from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.source import Source
from edgeunet.camera.sources.stamp import fits_stamp, write_stamp
from edgeunet.errors import UsageError
from edgeunet.imaging.pixels import Pixels, UInt8

ROAD, MARKING, UNDRIVABLE, MOVABLE = range(4)  # classes, as in the road sample
COLORS = np.array([(92, 88, 86), (235, 240, 240), (70, 120, 80), (40, 50, 190)], np.uint8)  # (blue, green, red)
SKY = (235, 190, 140)
HUNDREDTHS_OF_KELVIN = np.array([29800, 29700, 29300, 30900], np.uint16)  # of the same classes
COLD_SKY = 27000
STEP = 8  # pixels that the scene moves from frame to frame
FILE_FPS = 30.0  # of its frame times, if the address says "as fast as it is read"


class SyntheticSource(Source):
    """The scene at a rate by the clock or, with fps 0, like a file: every frame, as fast as it is read.

    A frame's capture time comes from the clock, even if it is read late; one that is not read before the next is
    captured is lost with its number, as in a camera. It shows the fault in the address.
    """

    def __init__(self, address: Address) -> None:
        """Raises UsageError if the picture is too small for the stamp."""
        super().__init__()
        self.name = address.name
        self.live = address.live
        self.fps = address.fps or FILE_FPS
        self.size = (address.height or 0, address.width or 0)
        if not fits_stamp(self.size):
            raise UsageError(
                f"{self.name}: {self.size[1]}×{self.size[0]} has no room for the frame number; 320×240 has"
            )
        if address.seconds is not None:
            self.frame_count = max(1, round(address.seconds * self.fps))
        paint = _paint_thermal if address.pixels == "thermal" else _paint
        self._scene: Pixels = paint(_scene_mask(self.size))
        self._fault = address.fault
        self._last = self._scene[:, : self.size[1]]
        self._begin_ns: int | None = None
        self._due_ns = 0
        self._closed = threading.Event()

    def _grab(self) -> bool:
        if self.live:
            self._wait_until_due()
        else:
            self._due_ns = time.perf_counter_ns()
        return not self._closed.is_set() and (self.frame_count is None or self._number < self.frame_count)

    def _captured_ns(self) -> int:
        return self._due_ns

    def _retrieve(self) -> Pixels:
        left = _left(self._number, self.size[1])
        pixels: Pixels = self._scene[:, left : left + self.size[1]].copy()
        write_stamp(pixels, self._number, self._due_ns)
        if self._fault is not None and self._fault.covers(self._number):
            pixels = self._fault.shown(pixels, self._last)
        self._last = pixels
        return pixels

    def _wait_until_due(self) -> None:
        now = time.perf_counter_ns()
        if self._begin_ns is None:
            self._begin_ns = now
        self._number = max(self._number, int((now - self._begin_ns) * self.fps / 1e9))
        if self._fault is not None and self._fault.kind == "stall" and self._fault.covers(self._number):
            self._number = self._fault.end
        self._due_ns = self._begin_ns + round(self._number * 1e9 / self.fps)
        self._closed.wait(max(0, self._due_ns - now) / 1e9)

    def close(self) -> None:
        """May be called from any thread; a read() that waits ends."""
        self._closed.set()


def synthetic_mask(number: int, size: tuple[int, int]) -> UInt8:
    """The class index of each pixel of frame `number`: uint8 [h, w], 0 road, 1 marking, 2 undrivable, 3 movable.

    The stamp covers the lowest rows; the mask ignores it.
    """
    left = _left(number, size[1])
    mask: UInt8 = _scene_mask(size)[:, left : left + size[1]].copy()
    return mask


def _scene_mask(size: tuple[int, int]) -> UInt8:
    """The mask of the whole scene: uint8 [h, 2 w]; its right half is its left half again."""
    height, width = size
    mask = np.full((height, width), UNDRIVABLE, np.uint8)
    top, bottom = height * 45 // 100, height * 85 // 100
    mask[top:bottom] = ROAD
    line = max(1, height // 90)
    dash = max(2, width // 16)
    for y in (top + line, bottom - 2 * line):
        mask[y : y + line] = MARKING
    for x in range(0, width - dash, 2 * dash):
        mask[(top + bottom - line) // 2 :][:line, x : x + dash] = MARKING
    for at, lane in ((0.15, 0.08), (0.45, 0.55), (0.7, 0.12)):  # cars: place along the scene, place across the road
        x, y = int(width * at), top + int((bottom - top) * lane)
        mask[y : y + (bottom - top) * 35 // 100, x : x + width // 8] = MOVABLE
    return np.concatenate([mask, mask], axis=1)


def _paint(mask: UInt8) -> UInt8:
    """The scene in colours: uint8 [h, 2 w, 3] BGR, with some texture, as real pictures have for an encoder."""
    picture = COLORS[mask]
    horizon = mask.shape[0] // 3
    picture[:horizon] = SKY
    half = mask.shape[1] // 2
    grain = np.random.default_rng(0).integers(-12, 13, (mask.shape[0] // 4 + 1, half // 4 + 1), np.int16)
    grain = cv2.resize(grain, (half, mask.shape[0]), interpolation=cv2.INTER_LINEAR)
    textured = picture.astype(np.int16) + np.concatenate([grain, grain], axis=1)[..., None]
    return np.asarray(textured.clip(0, 255), np.uint8)


def _paint_thermal(mask: UInt8) -> Pixels:
    """The scene as a thermal camera sees it: uint16 [h, 2 w, 1], hundredths of a kelvin, cars warm, with some noise."""
    picture = HUNDREDTHS_OF_KELVIN[mask].astype(np.int32)
    picture[: mask.shape[0] // 3] = COLD_SKY
    grain = np.random.default_rng(0).integers(-20, 21, (mask.shape[0], mask.shape[1] // 2))
    return np.asarray(picture + np.concatenate([grain, grain], axis=1), np.uint16)[..., None]


def _left(number: int, width: int) -> int:
    return number * STEP % width
