"""Boundary F1: how well the outline of each class in a mask follows the one in the label.

G. Csurka, D. Larlus, F. Perronnin: "What is a good evaluation measure for semantic segmentation?", BMVC 2013.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import FrameError
from edgeunet.imaging.letterbox import UInt8
from edgeunet.spec import IGNORE

TOLERANCE = 0.0075  # share of the image diagonal, the paper's; 4.5 pixels at 480×360

Bool = NDArray[np.bool_]


def boundary_f1(label: UInt8, mask: UInt8, classes: int, radius: float | None = None) -> NDArray[np.float64]:
    """Boundary F1 of each class in one frame, float64 [classes], from two uint8 [h, w] arrays of class indices.

    A pixel is on the boundary of its class if one of its four neighbours has another class. Pixels labelled
    IGNORE have no class, in label and mask alike: their edge is no boundary, nor is the edge of the frame.
    Precision is the share of the mask's boundary pixels of a class that have one of the label's within `radius`
    pixels (Euclidean distance; TOLERANCE of the diagonal if not given), recall the share of the label's that have one
    of the mask's, and F1 is their harmonic mean.

    NaN for a class without a boundary in the label. Boundaries that only the mask has lower IoU instead.
    """
    if label.shape != mask.shape:
        raise FrameError(f"label {label.shape} and mask {mask.shape} differ in size")
    near = _disc(TOLERANCE * math.hypot(*label.shape) if radius is None else radius)
    true_edges, edges = _edges(label), _edges(np.where(label == IGNORE, np.uint8(IGNORE), mask))
    scores = np.full(classes, np.nan)
    for index in range(classes):
        true = true_edges & (label == index)
        if true.any():
            scores[index] = _f1(true, edges & (mask == index), near)
    return scores


def class_means(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each class, [classes], over the frames, [n, classes], in which it is not NaN; NaN without any."""
    means = np.full(frames.shape[1], np.nan)
    for index, column in enumerate(frames.T):
        known = column[~np.isnan(column)]
        if known.size:
            means[index] = math.fsum(known) / known.size  # exact, so that the order does not matter
    return means


def _edges(mask: UInt8) -> Bool:
    """Pixels, bool [h, w], with a neighbour of another class; IGNORE is no class."""
    edges = np.zeros(mask.shape, bool)
    counted = mask != IGNORE
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differ = (mask[one] != mask[other]) & counted[one] & counted[other]
        edges[one] |= differ
        edges[other] |= differ
    return edges


def _f1(true: Bool, found: Bool, near: UInt8) -> float:
    """F1 of two boundaries, the first of them not empty."""
    if not found.any():
        return 0.0
    both = true | found
    rows, columns = np.flatnonzero(both.any(1)), np.flatnonzero(both.any(0))
    inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # nothing outside can be near either
    true, found = true[inside], found[inside]
    precision = _share_near(found, true, near)
    recall = _share_near(true, found, near)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _share_near(pixels: Bool, targets: Bool, near: UInt8) -> float:
    """The share of `pixels` that have one of `targets` within the disc."""
    reached = cv2.dilate(targets.astype(np.uint8), near)
    return int(np.count_nonzero(pixels & (reached > 0))) / int(np.count_nonzero(pixels))


def _disc(radius: float) -> UInt8:
    """Whole-number offsets of at most `radius`: no distance is rounded.

    On CamVid's val frames, 480×360, it takes a seventh of a distance transform's time.
    """
    reach = int(radius + _ROUNDING)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(y * y + x * x <= (radius + _ROUNDING) ** 2, dtype=np.uint8)


_ROUNDING = 1e-9  # of 400×400 the tolerance is the root of 18, and in floating point a little less
