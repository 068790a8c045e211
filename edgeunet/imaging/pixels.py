"""The pixels of a frame: which ones a model takes, how 16 bits become 8, and the picture that people look at."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import FrameError
from edgeunet.spec import ModelSpec, PixelFormat

UInt8 = NDArray[np.uint8]
Pixels = NDArray[Any]
"""A frame before it is fitted: uint8 or uint16 [h, w, channels]."""
Levels = tuple[tuple[float, float], ...]
DARKEST, BRIGHTEST = 0.005, 0.995  # shares of the pixels below the levels that are found by themselves


def check_frame(frame: Any, wanted: PixelFormat) -> Pixels:
    """The frame as a model takes it: [h, w, channels], uint8, or uint16 where it has levels.

    A frame of the wanted channels is returned as it is; blue, green, red becomes grey for a model of one channel, and
    grey is repeated for a model of three. Raises FrameError for any other shape or dtype, and for no pixels at all.
    """
    if not isinstance(frame, np.ndarray) or not is_taken(frame, wanted):
        got = f"{frame.dtype} {list(frame.shape)}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise FrameError(f"a frame of this model is {wanted}, got {got}: convert it first")
    if 0 in frame.shape:
        raise FrameError(f"the frame has no pixels (shape {list(frame.shape)})")
    return with_channels(frame, wanted.channels)


def is_taken(frame: NDArray[Any], wanted: PixelFormat) -> bool:
    """Whether check_frame() takes the dtype and the channels of an array."""
    if frame.dtype != (np.uint16 if wanted.deep else np.uint8) or frame.ndim != 3:
        return False
    return frame.shape[2] == wanted.channels or {frame.shape[2], wanted.channels} == {1, 3}


def with_channels(frame: Pixels, channels: int) -> Pixels:
    """A frame of 1, 3 or 4 channels, of which a fourth is left out for 1 and 3: the same frame if it has as many."""
    found = frame.shape[2]
    if found == channels:
        return frame
    if found == 1:
        repeated: Any = cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR)
        return np.asarray(repeated)
    color = np.ascontiguousarray(frame[..., :3])
    return color if channels == 3 else _grey(color)


def levelled(frame: Pixels, levels: Levels) -> UInt8:
    """uint16 [h, w, channels] → uint8: low becomes 0, high 255, between them in proportion, rounded half up.

    A frame without levels is returned as it is.
    """
    if not levels:
        return np.asarray(frame, np.uint8)
    tables = level_tables(levels)
    out = np.empty(frame.shape, np.uint8)
    for channel, table in enumerate(tables):
        np.take(table, frame[..., channel], out=out[..., channel], mode="clip")
    return out


def levels_of(frame: Pixels) -> Levels:
    """The levels that show all of a single frame but the darkest and the brightest of its pixels, for each channel."""
    return tuple(
        levels_of_counts(np.bincount(frame[..., channel].ravel(), minlength=2)) for channel in range(frame.shape[2])
    )


def levels_of_counts(counts: NDArray[np.int64]) -> tuple[float, float]:
    """The percentiles DARKEST and BRIGHTEST of values, from how often each occurs: (low, high), low < high.

    Where both are one value, the smallest and largest that occur; where a single value occurs, it and the next.
    """
    reached = np.cumsum(counts) / max(1, counts.sum())
    low, high = (int(np.searchsorted(reached, share)) for share in (DARKEST, BRIGHTEST))
    if low == high:
        low, high = (int(np.flatnonzero(counts)[end]) for end in (0, -1))
    if low == high:
        low, high = (low, low + 1) if low + 1 < 2**16 else (low - 1, low)
    return float(low), float(high)


def picture_of(frame: Pixels, levels: Levels = ()) -> UInt8:
    """The picture of a frame that people look at: uint8 [h, w, 3] BGR, the same frame if it is one already.

    Grey is repeated, a fourth channel is left out; 16 bits are levelled, without levels by the frame's own.
    """
    if frame.dtype != np.uint8:
        levels = levels if len(levels) == frame.shape[2] else levels_of(frame)
        frame = levelled(frame, levels)
    return with_channels(frame, 3)


def blank_frame(spec: ModelSpec) -> Pixels:
    """A black frame as a camera of this model delivers it, of the size that the network sees."""
    return np.zeros((*spec.fitted_size, spec.channels), spec.pixels.dtype)


def imitated(frame: UInt8, spec: ModelSpec) -> Pixels:
    """An ordinary frame, uint8 [h, w, 3] BGR, as if a camera of this model had taken it.

    A fourth channel is grey, and 16 bits span the levels. For checks of a graph where no frames of the model are given.
    """
    if spec.channels == 4:
        frame = np.concatenate([frame, _grey(frame)], axis=2)
    changed = with_channels(frame, spec.channels)
    if not spec.levels:
        return changed
    low, high = np.array(spec.levels, np.float64).T
    deep: Pixels = np.rint(low + changed * ((high - low) / 255)).astype(np.uint16)
    return deep


@lru_cache(maxsize=8)
def level_tables(levels: Levels) -> UInt8:
    """For each channel the uint8 of every uint16: [channels, 65536]."""
    values = np.arange(2**16, dtype=np.float64)
    low, high = np.array(levels, np.float64).T[..., None]
    return np.asarray(np.floor((values - low).clip(0, high - low) * (255 / (high - low)) + 0.5), np.uint8)


def _grey(color: Pixels) -> Pixels:
    """[h, w, 3] BGR → [h, w, 1], with the weights of ITU-R BT.601."""
    grey: Any = cv2.cvtColor(color, cv2.COLOR_BGR2GRAY)
    return np.asarray(grey[..., None])
