"""Which crops of a training are cut around a pixel of a rare class, so that small objects are seen often enough."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RARE = 0.01  # of all pixels that count: a class with fewer is rare
CHANCE = 0.5  # that a crop is cut around one of its pixels


class Aim(NamedTuple):
    """A frame, by its index, and the class of which a pixel lies in the crop."""

    frame: int
    label: int


@dataclass(frozen=True, eq=False)
class RareClasses:
    """The frames with a pixel of each rare class. counts: int64 [frames, classes], the pixels of each."""

    counts: NDArray[np.int64]

    def aim(self, rng: np.random.Generator) -> Aim | None:
        """For one crop; None where it is cut as any other, always without a rare class.

        The rarer a class, the more often: as one over the root of its pixels.
        """
        rare, odds = self._rare
        if not len(rare) or rng.random() >= CHANCE:
            return None
        label = int(rng.choice(rare, p=odds))
        return Aim(int(rng.choice(np.flatnonzero(self.counts[:, label]))), label)

    @cached_property
    def _rare(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The rare classes, and how often each of them is aimed at: shares that add to 1."""
        totals = self.counts.sum(0)
        rare = np.flatnonzero((totals > 0) & (totals < RARE * totals.sum()))
        odds = 1 / np.sqrt(totals[rare])
        return rare, odds / odds.sum() if len(odds) else odds


def pixel_of(mask: NDArray[np.uint8], label: int, rng: np.random.Generator) -> tuple[int, int]:
    """(row, column) of one of the pixels of a class in a mask, uint8 [h, w], that has some."""
    places = np.flatnonzero(mask == label)
    row, column = divmod(int(rng.choice(places)), mask.shape[1])
    return row, column
