"""Labels that are probably wrong: regions where a network is sure of another class.

After confident learning (C. Northcutt, L. Jiang, I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset
Labels", JAIR 70, 2021): the network is sure of a class where its probability reaches the mean that it has on the pixels
with that label. So a class that the network knows badly needs less than one that it knows well. Labels are often a
pixel or two off at the edges of objects: a band around them does not count.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.evaluation.boundary import TOLERANCE, edges_of
from edgeunet.imaging.pixels import UInt8
from edgeunet.spec import IGNORE

Float32 = NDArray[np.float32]
_KEPT = 2000  # regions, the largest and surest: what a page shows is decided when all frames are known
_STEPS = 100  # of a probability
_LEAST = 1e-4  # of a frame's pixels


@dataclass(frozen=True, order=True)
class Suspect:
    """A region of one label where the network sees another class.

    score: see LabelNoise.suspects(). frame: its number. size: share of the frame's pixels, 0 to 1. probability: of the
    other class, belief: of the label's, both means over the region, 0 to 1. number: of the region in regions_of().
    """

    score: float
    frame: int
    number: int
    label: int = field(compare=False)
    prediction: int = field(compare=False)
    size: float = field(compare=False)
    probability: float = field(compare=False)
    belief: float = field(compare=False)


@dataclass(frozen=True)
class Region:
    """Connected pixels, bool [H, W], with one label where the network sees another class."""

    label: int
    prediction: int
    pixels: NDArray[np.bool_]


class LabelNoise:
    """Collects suspects over as many frames as are added; the memory does not grow with them."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._sure = np.zeros(classes)  # sum of the probability of the label's class
        self._labelled = np.zeros(classes, np.int64)
        self._counts = np.zeros((classes, classes, _STEPS + 1), np.int64)  # by label, prediction and probability
        self._kept: list[Suspect] = []

    def add(self, frame: int, label: UInt8, logits: Float32) -> None:
        """label: uint8 [h, w]. logits: float32 [classes, H, W], of the same picture at the network's size."""
        label, probabilities = resized_mask(label, logits.shape[1:]), _softmax(logits)
        inner = _inner(label)
        if not inner.any():
            return
        known, prediction, sure = label[inner], probabilities.argmax(0)[inner], probabilities.max(0)[inner]
        own = np.take_along_axis(probabilities[:, inner], known[None].astype(np.int64), 0)[0]
        self._sure += np.bincount(known, own, self._classes)
        self._labelled += np.bincount(known, minlength=self._classes)
        step = (sure * _STEPS).astype(np.int64)
        cells = (known.astype(np.int64) * self._classes + prediction) * (_STEPS + 1) + step
        self._counts += np.bincount(cells, minlength=self._counts.size).reshape(self._counts.shape)
        best = probabilities.max(0)
        for number, region in enumerate(regions_of(label, logits)):
            size, probability = float(region.pixels.mean()), float(best[region.pixels].mean())
            belief = float(probabilities[region.label][region.pixels].mean())
            found = Suspect(
                size * probability, frame, number, region.label, region.prediction, size, probability, belief
            )
            if len(self._kept) < _KEPT:
                heapq.heappush(self._kept, found)
            else:
                heapq.heappushpop(self._kept, found)

    def thresholds(self) -> NDArray[np.float64]:
        """[classes]: the mean probability of a class on the pixels with its label; NaN where there are none."""
        means = np.full(self._classes, math.nan)
        np.divide(self._sure, self._labelled, out=means, where=self._labelled > 0)
        return means

    def suspects(self) -> list[Suspect]:
        """Where the network is sure of another class, the largest and surest first.

        The score is weighed by how much less than usual the network believes the label: of a class that it hardly ever
        finds, its doubts say nothing. In a trial with a network of 25 % mIoU, 8 of the first 8 were wrong labels, 4
        without this weight.
        """
        usual = self.thresholds()
        sure = [s for s in self._kept if s.probability >= usual[s.prediction]]
        weighed = [replace(s, score=s.score * float(usual[s.label] - s.belief)) for s in sure]
        return sorted((s for s in weighed if s.score > 0), reverse=True)

    def share(self) -> float:
        """Share of the pixels away from edges on which the network is sure of another class than the label; 0 to 1.

        NaN if there are no such pixels. It has the network's own mistakes in it.
        """
        least = np.nan_to_num(self.thresholds(), nan=2.0)
        sure = np.arange(_STEPS + 1) >= np.ceil(least * _STEPS)[:, None]  # (predictions, steps)
        joint = (self._counts * sure).sum(2)
        total = int(self._counts.sum())
        return float(joint.sum() - np.trace(joint)) / total if total else math.nan


def by_frame(suspects: Sequence[Suspect], frames: int) -> dict[int, list[Suspect]]:
    """The first suspects by the number of their frame, at most so many frames, the one with the first of them first."""
    found: dict[int, list[Suspect]] = {}
    for suspect in suspects:
        if suspect.frame in found or len(found) < frames:
            found.setdefault(suspect.frame, []).append(suspect)
    return found


def regions_of(label: UInt8, logits: Float32) -> list[Region]:
    """The regions of one frame, in the order of label, prediction and place. label: at the size of the logits."""
    prediction = logits.argmax(0).astype(np.uint8)
    differ = _inner(label) & (prediction != label)
    found = []
    pairs = np.unique(label[differ].astype(np.int64) * len(logits) + prediction[differ])
    for of_label, of_prediction in (divmod(int(pair), len(logits)) for pair in pairs):
        area = (differ & (label == of_label) & (prediction == of_prediction)).astype(np.uint8)
        _, parts, statistics, _ = cv2.connectedComponentsWithStats(area, connectivity=8)
        large = np.flatnonzero(statistics[1:, cv2.CC_STAT_AREA] >= _LEAST * label.size) + 1
        found += [Region(of_label, of_prediction, parts == number) for number in large]
    return found


def resized_mask(mask: UInt8, size: tuple[int, ...]) -> UInt8:
    """Class indices, uint8 [h, w], at another size (height, width), nearest."""
    return np.asarray(cv2.resize(mask, (size[1], size[0]), interpolation=cv2.INTER_NEAREST), dtype=np.uint8)


def _softmax(logits: Float32) -> Float32:
    shares = np.exp(logits - logits.max(0))
    return np.asarray(shares / shares.sum(0), dtype=np.float32)


def _inner(label: UInt8) -> NDArray[np.bool_]:
    """Pixels that count and are not near an edge of the label."""
    side = 2 * max(1, round(TOLERANCE * math.hypot(*label.shape))) + 1
    near = cv2.dilate(edges_of(label).view(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray((near == 0) & (label != IGNORE))
