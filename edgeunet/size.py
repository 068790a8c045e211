"""The size of a network's input, as it is typed."""

from __future__ import annotations

import re

from edgeunet.errors import UsageError
from edgeunet.limits import SIDE


def size_from_text(text: str) -> tuple[int, int]:
    """ "256x320" → (256, 320), height and width in pixels; raises UsageError for anything else."""
    found = re.fullmatch(r"([0-9]{1,5})[xX×]([0-9]{1,5})", text.strip())
    if found is None:
        raise UsageError(f"a size (--size) is HEIGHTxWIDTH such as 256x320, got {text[:40]!r}")
    size = int(found[1]), int(found[2])
    require_size(size)
    return size


def require_size(size: tuple[int, int]) -> None:
    """Raise UsageError for an input of (height, width) pixels that no network has."""
    if not all(1 <= side <= SIDE for side in size):
        raise UsageError(f"an input's size (--size) is 1 to {SIDE} pixels in height and width, got {size[0]}x{size[1]}")
