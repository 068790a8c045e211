"""Masks as run lengths: pixels that are out, pixels that are in, and so on.

COCO packs them in a text. Unpacked here and not by pycocotools, because that gives a mask of whatever was in memory
for a text that is too short.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import ImageError


def mask_from_runs(counts: Sequence[int] | NDArray[np.int64], size: tuple[int, int], *, by_columns: bool) -> Any:
    """bool [h, w] from run lengths that begin with what is out. size: (height, width). by_columns: or row after row.

    Raises ImageError if they do not fill the size.
    """
    runs = np.asarray(counts, np.float64)  # of which no sum is ever too large
    if len(runs) and runs.min() < 0:
        raise ImageError(f"has a run length below 0, {runs.min():.0f}: export it again")
    if runs.sum() != size[0] * size[1]:
        raise ImageError(
            f"has run lengths of {runs.sum():.0f} pixels for a mask of {size[1]}x{size[0]}: export it again"
        )
    pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs.astype(np.int64))
    return pixels.reshape(size, order="F" if by_columns else "C")


def unpacked_runs(text: str) -> NDArray[np.int64]:
    """The run lengths in COCO's text: each number 5 bits a character, lowest first, bit 5 says that more follow.

    From the fourth number on each is less the one two before. Raises ImageError.
    """
    codes = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - 48
    ends = np.flatnonzero(codes & 32 == 0)
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or not len(ends) or ends[-1] != len(codes) - 1:
        raise ImageError("has packed run lengths that are cut or damaged: export it again")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 10:
        raise ImageError("has packed run lengths that are too large: export it again")
    places = np.arange(len(codes)) - np.repeat(starts, lengths)
    numbers = np.add.reduceat((codes & 31) << 5 * places, starts)
    numbers -= (codes[ends] & 16 != 0) * (1 << 5 * lengths)  # two's complement
    numbers[1::2] = numbers[1::2].cumsum()
    numbers[2::2] = numbers[2::2].cumsum()
    return numbers
