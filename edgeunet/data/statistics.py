"""What is counted of a dataset folder: its frames one by one, and for each split sizes and shares of each class."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeunet.data.dataset import Sample, size_text
from edgeunet.data.facts.closer_look import CloserLook
from edgeunet.data.facts.image_facts import ImageFacts
from edgeunet.data.facts.likeness import Likeness, likeness_of, plain
from edgeunet.data.pairs import Problem
from edgeunet.imaging.mask_image import value_counts

NEEDED = ("train", "val")  # splits that training needs, first in every table; the others after them, by name


@dataclass(frozen=True)
class FrameFacts:
    """One labelled frame, counted."""

    name: str
    size: tuple[int, int]  # (height, width)
    pixels: NDArray[np.int64]  # (classes,), those that count
    ignored: float  # share of its pixels, 0 to 1
    picture: str  # hash of the decoded frame: copies have the same, in any format
    image: ImageFacts = field(default_factory=ImageFacts)
    unowned: float = 0.0  # share of its pixels with the value IGNORE, which is not in the list of classes, 0 to 1
    likeness: Likeness = field(default_factory=plain)
    look: CloserLook | None = None  # of some frames of a split

    @classmethod
    def of(cls, sample: Sample, classes: int, *, closely: bool = False) -> FrameFacts:
        """closely: with the look, which takes longer."""
        pixels = value_counts(sample.mask)[:classes]
        height, width = sample.mask.shape
        digest = hashlib.blake2b(np.ascontiguousarray(sample.frame).data, digest_size=16)
        digest.update(repr(sample.frame.shape).encode())
        area = height * width
        ignored = 1.0 - float(pixels.sum()) / area
        unowned = sample.unowned / area
        look = CloserLook.of(sample.frame, sample.mask) if closely else None
        likeness = likeness_of(sample.frame)
        return cls(
            sample.name, (height, width), pixels, ignored, digest.hexdigest(), sample.image, unowned, likeness, look
        )


@dataclass(frozen=True)
class SplitFacts:
    """The usable frames of a split, and what is wrong with the others."""

    frames: tuple[FrameFacts, ...]
    problems: tuple[Problem, ...] = ()
    without_masks: int = 0  # images of a split that needs no masks and has none

    def pixels(self, classes: int) -> NDArray[np.int64]:
        """(classes,): the pixels of each class."""
        return np.asarray(self.counts(classes).sum(0), dtype=np.int64)

    def shares(self, classes: int) -> NDArray[np.float64]:
        """(classes,): the share of each class in all pixels that count, 0 to 1."""
        pixels = self.pixels(classes)
        return np.asarray(pixels / max(1, pixels.sum()), dtype=np.float64)

    def occurrences(self, classes: int) -> NDArray[np.int64]:
        """(classes,): in how many frames each class occurs."""
        return np.asarray((self.counts(classes) > 0).sum(0), dtype=np.int64)

    def sizes(self) -> dict[str, int]:
        """Frames of each size, the most frequent first: "640x480": 12."""
        return dict(Counter(size_text(f.size) for f in self.frames).most_common())

    def ignored(self) -> float:
        """Share of all pixels that do not count, 0 to 1."""
        return self._share([f.ignored for f in self.frames])

    def unowned(self) -> float:
        """Share of all pixels with the value IGNORE, which is not in the list of classes, 0 to 1."""
        return self._share([f.unowned for f in self.frames])

    def _share(self, shares: Sequence[float]) -> float:
        areas = [f.size[0] * f.size[1] for f in self.frames]
        return float(np.dot(shares, areas) / max(1, sum(areas)))

    def counts(self, classes: int) -> NDArray[np.int64]:
        """(frames, classes): the pixels of each class in each frame."""
        return np.array([f.pixels for f in self.frames], np.int64).reshape(-1, classes)


def statistics(path: str | Path, splits: dict[str, SplitFacts], names: Sequence[str]) -> dict[str, Any]:
    """What `edgeunet data stats --json` prints of a survey, apart from the checks.

    For each split: the number of frames, frames of each size, for each class the share of the counted pixels
    (0 to 1) and the number of frames in which it occurs, and the share of all pixels that are ignored.
    """
    return {"dataset": str(path), "splits": {split: _split(facts, names) for split, facts in splits.items()}}


def _split(facts: SplitFacts, names: Sequence[str]) -> dict[str, Any]:
    shares, occurrences = facts.shares(len(names)), facts.occurrences(len(names))
    return {
        "frames": len(facts.frames),
        "sizes": facts.sizes(),
        "classes": {
            name: {"share": float(share), "frames": int(count)}
            for name, share, count in zip(names, shares, occurrences, strict=True)
        },
        "ignored": facts.ignored(),
    }
