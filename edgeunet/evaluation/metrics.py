"""The confusion matrix, and the scores from it: IoU, precision and recall of each class, and pixel accuracy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import FrameError, ModelFileError
from edgeunet.imaging.letterbox import UInt8
from edgeunet.spec import IGNORE

_AT_ONCE = 1 << 22  # pixels


class Confusion:
    """Counts pixels by label (row) and prediction (column), over as many frames as are added."""

    def __init__(self, classes: int) -> None:
        self.counts: NDArray[np.int64] = np.zeros((classes, classes), np.int64)

    def add(self, label: UInt8, mask: UInt8) -> None:
        """Add one frame: two uint8 [h, w] arrays of class indices. Pixels labelled IGNORE do not count.

        Raises ModelFileError for a mask with a class outside these.
        """
        if label.shape != mask.shape:
            raise FrameError(f"label {label.shape} and mask {mask.shape} differ in size")
        classes = len(self.counts)
        require_known_classes(mask, classes)
        rows = max(1, _AT_ONCE // max(1, label.shape[1]))
        for start in range(0, len(label), rows):  # the pairs take 8 bytes a pixel
            labels, masks = label[start : start + rows], mask[start : start + rows]
            valid = labels != IGNORE
            pairs = labels[valid].astype(np.int64) * classes + masks[valid]
            self.counts += np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)

    def scores(self) -> Scores:
        """The scores of the counts so far."""
        return scores_of(self.counts)


@dataclass(frozen=True)
class Scores:
    """mIoU over the classes that the labels have; the IoU of every other class is NaN.

    stray: for each class without labels, the pixels that were predicted as it; 0 for the others. They are wrong
        pixels of other classes.
    """

    miou: float
    iou: tuple[float, ...]
    accuracy: float  # share of pixels that are right
    pixels: int
    stray: tuple[int, ...]


def scores_of(counts: NDArray[np.int64]) -> Scores:
    """The scores of a confusion matrix, (classes, classes) with a row for each label."""
    total = int(counts.sum())
    accuracy = float(np.trace(counts) / total) if total else float("nan")
    stray = np.where(counts.sum(1) == 0, counts.sum(0), 0)
    return Scores(
        float(mean_iou(counts)), tuple(map(float, class_iou(counts))), accuracy, total, tuple(map(int, stray))
    )


def class_iou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """IoU of each class, (…, classes), from matrices (…, classes, classes); NaN where the labels do not have it.

    So the same classes have an IoU for every network on the same labels. Otherwise one stray pixel of a class that no
    label has would add an IoU of 0 to the mean.
    """
    iou = _hits_of(counts, counts.sum(-2) + counts.sum(-1) - _hits(counts))
    iou[counts.sum(-1) == 0] = np.nan
    return iou


def mean_iou(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """mIoU (…,) over the classes that the labels have, from matrices (…, classes, classes); NaN without any label."""
    iou = class_iou(counts)
    known = ~np.isnan(iou)
    sums, classes = np.where(known, iou, 0.0).sum(-1), known.sum(-1)
    means = np.full(sums.shape, np.nan)
    np.divide(sums, classes, out=means, where=classes > 0)
    return means


def class_precision(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of the pixels predicted as a class that are of it, (…, classes); NaN where none is predicted."""
    return _hits_of(counts, counts.sum(-2))


def class_recall(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of the pixels of a class that are predicted as it, (…, classes); NaN where none is labelled."""
    return _hits_of(counts, counts.sum(-1))


def _hits(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _hits_of(counts: NDArray[np.int64], pixels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Right pixels of each class as a share of `pixels`."""
    shares = np.full(pixels.shape, np.nan)
    np.divide(_hits(counts), pixels, out=shares, where=pixels > 0)
    return shares


def require_known_classes(mask: UInt8, classes: int, *, model: str = "the model") -> None:
    """Raise ModelFileError if a mask has a class beyond 0 to `classes` - 1: its pixels would count as another's.

    model: its name in the message.
    """
    largest = int(mask.max(initial=0))
    if largest >= classes:
        raise ModelFileError(
            f"{model} returns masks with the class {largest}, but its spec has the classes 0 to {classes - 1}: "
            "its graph and its spec do not belong together, export it again"
        )


def agreement(a: UInt8, b: UInt8) -> float:
    """Share of pixels, 0 to 1, on which two masks of one size are equal."""
    return float(np.mean(a == b))
