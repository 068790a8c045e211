"""What the CUDA kernels compute, in NumPy: slow, plain, and the same bit for bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgeunet.imaging.letterbox import PADDING, Letterbox, UInt8
from edgeunet.runtime.gpu.kernels import Arguments

WEIGHT_BITS = 11
Ints = NDArray[np.int64]


def fit(frame: UInt8, letterbox: Letterbox) -> UInt8:
    """uint8 [h, w, 3] → uint8 [H, W, 3], as letterbox.fit(frame), whose every pixel is at most 1 away."""
    out = np.full((*letterbox.input_size, 3), PADDING, np.uint8)
    inside = letterbox.inside(out)
    inside[:] = _resize(frame.astype(np.int64), (letterbox.height, letterbox.width), letterbox.shrinks)
    return out


def argmax(logits: NDArray[np.float32]) -> UInt8:
    """float32 [C, H, W] → uint8 [H, W]: the first of the largest, or with one channel whether it is positive."""
    if len(logits) == 1:
        return np.asarray(logits[0] > 0, dtype=np.uint8)
    return np.asarray(logits.argmax(axis=0), dtype=np.uint8)


def blend(frame: UInt8, mask: UInt8, colors: UInt8, letterbox: Letterbox, opacity: float) -> UInt8:
    """Class colours over a frame: uint8 [h, w, 3], mask uint8 [H, W], colours uint8 [256, 3] → uint8 [h, w, 3]."""
    height, width = letterbox.frame_size
    rows = letterbox.top + np.arange(height) * letterbox.height // height
    columns = letterbox.left + np.arange(width) * letterbox.width // width
    weight = round(opacity * 256)
    drawn = colors[mask[rows[:, None], columns]].astype(np.int64)
    return np.asarray(((256 - weight) * frame.astype(np.int64) + weight * drawn + 128) >> 8, dtype=np.uint8)


def blend_arguments(letterbox: Letterbox, frame: int, mask: int, colors: int, opacity: float) -> Arguments:
    """For BLEND: device addresses of the frame, uint8 [h, w, 3], changed in place, of the mask, uint8 [H, W], and of
    the colours, uint8 [256, 3]; opacity 0 to 1, in steps of 1/256."""
    rectangle = (letterbox.top, letterbox.left, letterbox.height, letterbox.width)
    return (frame, *letterbox.frame_size, mask, letterbox.input_size[1], *rectangle, colors, round(opacity * 256))


def _resize(frame: Ints, size: tuple[int, int], shrinks: bool) -> Ints:
    """int64 [h, w, 3] → int64 [rows, columns, 3]: OpenCV's INTER_AREA where it shrinks, else INTER_LINEAR."""
    height, width = frame.shape[:2]
    rows, columns = size
    if shrinks and height >= rows and width >= columns:
        down, across = _overlaps(height, rows), _overlaps(width, columns)
        planes = frame.transpose(2, 0, 1).astype(np.float64)  # holds integers exactly up to 2**53, and is fast
        sums = (down @ planes @ across.T).transpose(1, 2, 0).astype(np.int64)
        return np.asarray((sums + height * width // 2) // (height * width))
    above, below, down = (a[:, None, None] for a in _neighbours(height, rows, shrinks))
    before, after, right = (a[None, :, None] for a in _neighbours(width, columns, shrinks))
    one, channel = 1 << WEIGHT_BITS, np.arange(3)
    upper = (one - right) * frame[above, before, channel] + right * frame[above, after, channel]
    lower = (one - right) * frame[below, before, channel] + right * frame[below, after, channel]
    return np.asarray(((one - down) * upper + down * lower + (1 << 2 * WEIGHT_BITS - 1)) >> 2 * WEIGHT_BITS)


def _neighbours(source: int, target: int, shrinks: bool) -> tuple[Ints, Ints, Ints]:
    """For each of `target` pixels: the two source pixels it lies between, and the second's weight, 0 to 2048."""
    index = np.arange(target)
    if shrinks:
        first = index * source // target
        numerator, denominator = np.maximum((index + 1) * source - (first + 1) * target, 0), source
    else:
        first, numerator = np.divmod((2 * index + 1) * source - target, 2 * target)
        denominator = 2 * target
    weight = ((numerator << WEIGHT_BITS) + denominator // 2) // denominator
    return np.maximum(first, 0), np.minimum(first + 1, source - 1), weight


def _overlaps(source: int, target: int) -> Ints:
    """[target, source]: how much of each source pixel lies in each target pixel, in 1 / target of a source pixel."""
    pixel, index = np.arange(source), np.arange(target)[:, None]
    begin = np.maximum(index * source, pixel * target)
    end = np.minimum((index + 1) * source, (pixel + 1) * target)
    return np.asarray(np.maximum(end - begin, 0))
