"""Whether a live source's picture is frozen or dead: the same again, black, white, covered, out of focus.

It looks at one channel of about 160×90 points, 0.1 ms for a frame of 1280×720. What it finds within how many frames,
how often it is wrong, and what it cannot tell: docs/trust.md.
"""

from __future__ import annotations

import cv2
import numpy as np

from edgeunet.camera.state.sharpness import CELLS, FocusCheck, tiles_of
from edgeunet.imaging.pixels import Levels, Pixels, UInt8, levelled

POINTS = (90, 160)  # about: rows, columns
SAME_SHARE = 0.02  # of the points that may change in a picture that is the same; sensor noise changes over 0.1
SAME_FRAMES = 6  # repeats; a converter of rates from 5 to 30 fps makes 5
CODED_FRAMES = 300  # the same, of a coded video: longer than the usual time between two of its key frames
DARK, BRIGHT = 24, 230  # of 255: 99 % of a black picture are not above, 99 % of a white one not below
EXTREME_FRAMES = 6
CONTRAST = 12  # of 255: between neighbours of a grid of 40×23; the least of the shared road frames has 42
COVERED_FRAMES = 15  # half a second: a lorry may pass
CLIPPED = (4, 251)  # of 255: at both ends of the range noise is cut off


class PictureCheck:
    """Looks at all frames of one source, in order. Frames may change their size.

    levels: of the spec, for frames of 16 bits.
    """

    def __init__(self, levels: Levels = ()) -> None:
        self._levels = levels
        self._focus = FocusCheck()
        self._last: Pixels = np.empty((0, 0), np.uint8)
        self._runs = dict.fromkeys(("black", "white", "low contrast everywhere", "the same frame again"), 0)

    def look(self, pixels: Pixels, *, coded: bool = False) -> str:
        """What is wrong with a frame, uint8 or uint16 [h, w, 1 to 4], in words; "" for nothing.

        coded: see Source. Such a video leaves noise out: a still road is the same frame again until a key frame.
        """
        same_frames, same_share = (CODED_FRAMES, 0.0) if coded else (SAME_FRAMES, SAME_SHARE)
        channel = min(1, pixels.shape[2] - 1)  # green, which has the least noise
        points = np.ascontiguousarray(_spread(pixels)[..., channel])
        grey = self._in_8_bits(points, channel)
        found = (*_extremes(grey), _contrast(grey) <= CONTRAST, self._is_same(points, grey, same_share))
        needed = (EXTREME_FRAMES, EXTREME_FRAMES, COVERED_FRAMES, same_frames)
        self._runs = {name: run + 1 if now else 0 for (name, run), now in zip(self._runs.items(), found, strict=True)}
        faults = [name for (name, run), frames in zip(self._runs.items(), needed, strict=True) if run >= frames]
        if any(found):  # such a picture says nothing about the focus
            return next(iter(faults), "")
        if min(grey.shape) >= CELLS and self._focus.is_due():
            self._focus.look(self._in_8_bits(tiles_of(pixels[..., channel]), channel))
        return "out of focus" if self._focus.is_lost else ""

    def _is_same(self, points: Pixels, grey: UInt8, share: float) -> bool:
        """Whether the points are those of the last frame, but for a few."""
        last, self._last = self._last, points
        if last.shape != points.shape or last.dtype != points.dtype:
            return False
        changed = points != last
        if not changed.any():
            return True
        low, high = CLIPPED
        may_change = changed | ((grey > low) & (grey < high))
        return int(changed.sum()) <= share * int(may_change.sum())

    def _in_8_bits(self, part: Pixels, channel: int) -> UInt8:
        levels = self._levels[channel : channel + 1]
        return levelled(part[..., None], levels)[..., 0] if levels else np.asarray(part, np.uint8)


def _spread(pixels: Pixels) -> Pixels:
    """About POINTS of the pixels, evenly spread, as a view: [rows, columns, channels]."""
    down, right = (max(1, side // wanted) for side, wanted in zip(pixels.shape, POINTS, strict=False))
    return pixels[down // 2 :: down, right // 2 :: right]


def _extremes(grey: UInt8) -> tuple[bool, bool]:
    """Whether it is black, and whether it is white."""
    counts = np.cumsum(cv2.calcHist([grey], [0], None, [256], [0, 256]))
    few = counts[-1] / 100
    return bool(counts[DARK] >= counts[-1] - few), bool(counts[BRIGHT - 1] <= few)


def _contrast(grey: UInt8) -> int:
    """The largest difference between neighbours of a coarse grid, in which sensor noise is averaged out."""
    rows, columns = (-(-side // 4) for side in grey.shape)
    coarse = cv2.resize(grey, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.int16)
    return max(int(np.abs(np.diff(coarse, axis=axis)).max(initial=0)) for axis in (0, 1))
