"""What takes longer to count in a labelled frame: some hundred frames of a split are enough for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeunet.data.facts.grey import grey_of
from edgeunet.data.facts.mask_edges import EdgeScores, edge_scores
from edgeunet.data.facts.object_sizes import Areas, object_areas
from edgeunet.imaging.letterbox import UInt8
from edgeunet.spec import IGNORE

_FRAMES = 200  # of a split


@dataclass(frozen=True)
class CloserLook:
    """objects: area in pixels of each object, by class. edges: see edge_scores().

    blended: share of the borders between classes where the pixel on the border has a value between those on both
    sides, 0 to 1, if there are several such values: resizing or smoothing makes them, and they mean other classes.
    """

    objects: dict[int, Areas]
    edges: EdgeScores | None
    blended: float

    @classmethod
    def of(cls, frame: NDArray[Any], mask: UInt8) -> CloserLook:
        """frame: [h, w, channels], see grey_of(). mask: uint8 [h, w], class index or IGNORE."""
        return cls(object_areas(mask), edge_scores(grey_of(frame), mask), _blended(mask))


def looked_at(frames: int) -> range:
    """The numbers of the frames to look at, evenly spaced, of a split of that many."""
    return range(0, frames, max(1, -(-frames // _FRAMES)))


def _blended(mask: UInt8) -> float:
    between, borders = np.zeros(256, np.int64), 0
    for before, here, after in _threes(mask):
        counts = (before != IGNORE) & (here != IGNORE) & (after != IGNORE)
        middle = counts & (((before < here) & (here < after)) | ((before > here) & (here > after)))
        between += np.bincount(here[middle], minlength=256)
        borders += np.count_nonzero(counts & (before != here))
    # One value alone may be a class that surrounds another with a thin line.
    return float(between.sum() / max(1, borders)) if np.count_nonzero(between) > 1 else 0.0


def _threes(mask: UInt8) -> Iterator[tuple[UInt8, UInt8, UInt8]]:
    """Each pixel with those to its left and right, then with those above and below."""
    yield mask[:, :-2], mask[:, 1:-1], mask[:, 2:]
    yield mask[:-2], mask[1:-1], mask[2:]
