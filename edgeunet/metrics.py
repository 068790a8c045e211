"""Confusion matrix, and what it amounts to: IoU, precision and recall of each class, and pixel accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import FrameError
from edgeunet.frames import UInt8
from edgeunet.spec import IGNORE


class Confusion:
    """Counts pixels by label (row) and prediction (column), over as many frames as are added."""

    def __init__(self, classes: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros((classes, classes), np.int64)

    def add(self, label: UInt8, mask: UInt8) -> None:
        """Add one frame: two uint8 [h, w] arrays of class indices. Pixels labelled IGNORE do not count."""
        if label.shape != mask.shape:
            raise FrameError(f"label {label.shape} and mask {mask.shape} differ in size")
        classes = len(self.counts)
        valid = label != IGNORE
        pairs = label[valid].astype(np.int64) * classes + mask[valid]
        self.counts += np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)

    def scores(self) -> Scores:
        """What the counts so far amount to."""
        return scores_of(self.counts)


@dataclass(frozen=True)
class Scores:
    """mIoU over the classes that occur in label or prediction; IoU is NaN for a class that occurs in neither."""

    miou: float
    iou: tuple[float, ...]
    accuracy: float  # share of pixels that are right
    pixels: int


def scores_of(counts: NDArray[np.int64]) -> Scores:
    """What a confusion matrix, (classes, classes) with a row for each label, amounts to."""
    iou = class_iou(counts)
    total = int(counts.sum())
    mean = float(np.nanmean(iou)) if total else float("nan")
    accuracy = float(np.trace(counts) / total) if total else float("nan")
    return Scores(mean, tuple(float(v) for v in iou), accuracy, total)


def class_iou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """IoU of each class, (…, classes) and NaN where it does not occur, from matrices (…, classes, classes)."""
    return _hits_of(counts, counts.sum(-2) + counts.sum(-1) - _hits(counts))


def class_precision(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of the pixels predicted as a class that are of it, (…, classes); NaN where none is predicted."""
    return _hits_of(counts, counts.sum(-2))


def class_recall(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of the pixels of a class that are predicted as it, (…, classes); NaN where none is labelled."""
    return _hits_of(counts, counts.sum(-1))


def _hits(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _hits_of(counts: NDArray[np.int64], pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Right pixels of each class as a share of so many."""
    shares = np.full(pixels.shape, np.nan)
    np.divide(_hits(counts), pixels, out=shares, where=pixels > 0)
    return shares


def agreement(a: UInt8, b: UInt8) -> float:
    """Share of pixels, 0 to 1, on which two masks of one size are equal."""
    return float(np.mean(a == b))
