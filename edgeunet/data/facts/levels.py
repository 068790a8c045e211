"""The levels of frames of 16 bits: which value becomes black and which white, as typed or from the data."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from edgeunet.errors import UsageError
from edgeunet.imaging.pixels import Levels, Pixels, levels_of_counts

AUTO = "auto"
_PAIR = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,6})?):([0-9]{1,5}(?:\.[0-9]{1,6})?)")


def levels_from_text(text: str, channels: int) -> Levels:
    """ "1000:4000" → ((1000.0, 4000.0),): a pair for each channel, separated by commas, or one for all of them.

    Raises UsageError for anything else.
    """
    words = text.split(",")
    pairs = [_PAIR.fullmatch(word.strip()) for word in words]
    if not all(pairs) or len(pairs) not in (1, channels):
        raise UsageError(
            f"--levels is {AUTO}, or LOW:HIGH such as 1000:4000, once or for each of {channels} channel(s) with commas "
            f"between them; got {text[:60]!r}"
        )
    found = [(float(pair[1]), float(pair[2])) for pair in pairs if pair]
    if wrong := [pair for pair in found if not pair[0] < pair[1] < 2**16]:
        raise UsageError(f"--levels has LOW below HIGH, and both from 0 to 65535; got {wrong[0][0]:g}:{wrong[0][1]:g}")
    return tuple(found) if len(found) == channels else tuple(found) * channels


def text_of(levels: Levels) -> str:
    """What levels_from_text() reads."""
    return ",".join(f"{low:g}:{high:g}" for low, high in levels)


def levels_of_frames(frames: Iterable[Pixels], channels: int) -> Levels:
    """The percentiles 0.5 and 99.5 of all pixels of some frames, uint16 [h, w, channels], for each channel."""
    counts = np.zeros((channels, 2**16), np.int64)
    for frame in frames:
        for channel in range(channels):
            counts[channel] += np.bincount(frame[..., channel].ravel(), minlength=2**16)
    return tuple(map(levels_of_counts, counts))
