"""Whether a camera has lost its focus: its picture is less sharp than the same camera's was before."""

from __future__ import annotations

import cv2
import numpy as np

from edgeunet.imaging.pixels import Pixels, UInt8

ROWS, COLUMNS = 4, 6  # of square tiles, evenly spread over the picture
CELLS = 16  # along the side of a tile; a cell is the average of up to 4×4 pixels, without most of the noise
PICTURE = 180  # cells along the shorter side of a picture, if the tiles had no gaps between them
FAR = 8  # cells
EVERY = 8  # frames
NOISE = 0.5  # squared difference of two cells that noise of about 1.6 of 255 and rounding make
LEAST = 15.0  # squared difference of distant cells in both directions; below it noise decides what near ones differ
LOST = 0.35  # of the usual sharpness
LOST_LOOKS = 8  # in a row: 64 frames
LEARNING = 32  # looks, 256 frames, before any judgement
MEMORY = 128  # looks, 1024 frames: over which the usual sharpness is averaged


class FocusCheck:
    """Compares each look with the source's own usual sharpness, of which it learns nothing while the focus is lost.

    A lens that is out of focus from the start, or loses its focus slowly over minutes, is not found; a picture with
    little contrast, as at night, is not judged.
    """

    def __init__(self) -> None:
        self._frames = -1
        self._looks = 0
        self._usual = 0.0
        self._low = 0  # looks in a row

    @property
    def is_lost(self) -> bool:
        return self._low >= LOST_LOOKS

    def is_due(self) -> bool:
        """Whether this frame is one to look at."""
        self._frames += 1
        return self._frames % EVERY == 0

    def look(self, tiles: UInt8) -> None:
        """Take the tiles of a frame."""
        sharpness = sharpness_of(tiles)
        if sharpness is None:
            self._low = 0
            return
        if self._looks >= LEARNING and sharpness < LOST * self._usual:
            self._low += 1
            return
        self._low = 0
        self._looks += 1
        self._usual += (sharpness - self._usual) / min(self._looks, MEMORY)


def tiles_of(pixels: Pixels) -> Pixels:
    """Some of the pixels of a channel: [h, w] → [ROWS × COLUMNS × n, n], whose n is a multiple of CELLS."""
    height, width = pixels.shape
    cell = max(1, min(height // PICTURE, height // (ROWS * CELLS), width // (COLUMNS * CELLS)))
    step = max(1, cell // 4)  # of the pixels of a large cell, every second or third
    side = cell // step * step * CELLS
    tops, lefts = np.linspace(0, height - side, ROWS).astype(int), np.linspace(0, width - side, COLUMNS).astype(int)
    return np.concatenate([pixels[y : y + side : step, x : x + side : step] for y in tops for x in lefts])


def sharpness_of(tiles: UInt8) -> float | None:
    """How much neighbouring cells differ, as a share of how much distant ones do: the same at any contrast.

    None where the contrast is too low to tell.

    Neighbours along the rows or along the columns, whichever differ more: motion blurs one of them, a lens both.
    """
    cells = cv2.resize(tiles, (CELLS, CELLS * ROWS * COLUMNS), interpolation=cv2.INTER_AREA)
    grid = cells.reshape(-1, CELLS, CELLS).astype(np.float32)
    turned = (grid, grid.transpose(0, 2, 1))
    near = max(float(np.square(g[..., 1:] - g[..., :-1]).mean()) for g in turned)
    far = sum(float(np.square(g[..., FAR:] - g[..., :-FAR]).mean()) for g in turned)
    return max(0.0, near - NOISE) / far if far >= LEAST else None
