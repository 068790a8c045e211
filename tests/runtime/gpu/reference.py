"""What the CUDA kernels compute, in NumPy: slow, plain, and the same bit for bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeunet.imaging.letterbox import PADDING, Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels, level_tables

WEIGHT_BITS = {"uint8": 11, "uint16": 23}
Ints = NDArray[np.int64]


def fit(frame: Pixels, letterbox: Letterbox) -> UInt8:
    """A frame → uint8 [H, W, channels], as letterbox.fit(frame), whose every pixel is at most 1 away."""
    channels = frame.shape[2]
    out = np.full((*letterbox.input_size, channels), PADDING, np.uint8)
    resized = _resize(frame, (letterbox.height, letterbox.width), letterbox.shrinks)
    if letterbox.levels:
        resized = level_tables(letterbox.levels)[np.arange(channels), resized].astype(np.int64)
    letterbox.inside(out)[:] = resized
    return out


def argmax(logits: NDArray[np.float32]) -> UInt8:
    """float32 [C, H, W] → uint8 [H, W]: the first of the largest, or with one channel whether it is positive."""
    if len(logits) == 1:
        return np.asarray(logits[0] > 0, dtype=np.uint8)
    return np.asarray(logits.argmax(axis=0), dtype=np.uint8)


def _resize(pixels: Pixels, size: tuple[int, int], shrinks: bool) -> Ints:
    """[h, w, channels] → int64 [rows, columns, channels]: OpenCV's INTER_AREA where it shrinks, else INTER_LINEAR."""
    frame, bits = pixels.astype(np.int64), WEIGHT_BITS[str(pixels.dtype)]
    height, width = frame.shape[:2]
    rows, columns = size
    if shrinks:
        down, across = _overlaps(height, rows), _overlaps(width, columns)
        planes = frame.transpose(2, 0, 1).astype(np.float64)  # holds integers exactly up to 2**53, and is fast
        sums = (down @ planes @ across.T).transpose(1, 2, 0).astype(np.int64)
        return np.asarray((sums + height * width // 2) // (height * width))
    above, below, down = (a[:, None, None] for a in _neighbours(height, rows, bits))
    before, after, right = (a[None, :, None] for a in _neighbours(width, columns, bits))
    one, channel = 1 << bits, np.arange(frame.shape[2])
    upper = (one - right) * frame[above, before, channel] + right * frame[above, after, channel]
    lower = (one - right) * frame[below, before, channel] + right * frame[below, after, channel]
    return np.asarray(((one - down) * upper + down * lower + (1 << 2 * bits - 1)) >> 2 * bits)


def _neighbours(source: int, target: int, bits: int) -> tuple[Ints, Ints, Ints]:
    """For each of `target` pixels: the two source pixels it lies between, and the second's weight, 0 to 1 << bits."""
    first, numerator = np.divmod((2 * np.arange(target) + 1) * source - target, 2 * target)
    weight = ((numerator << bits) + target) // (2 * target)
    return np.maximum(first, 0), np.minimum(first + 1, source - 1), weight


def _overlaps(source: int, target: int) -> Ints:
    """[target, source]: how much of each source pixel lies in each target pixel, in 1 / target of a source pixel."""
    pixel, index = np.arange(source), np.arange(target)[:, None]
    begin = np.maximum(index * source, pixel * target)
    end = np.minimum((index + 1) * source, (pixel + 1) * target)
    return np.asarray(np.maximum(end - begin, 0))
