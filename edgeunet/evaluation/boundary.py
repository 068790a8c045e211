"""Boundary F1: how well the outline of each class in a mask follows the one in the label.

G. Csurka, D. Larlus, F. Perronnin: "What is a good evaluation measure for semantic segmentation?", BMVC 2013.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import FrameError
from edgeunet.imaging.letterbox import UInt8
from edgeunet.spec import IGNORE

TOLERANCE = 0.0075  # share of the image diagonal, the paper's; 4.5 pixels at 480×360

Bool = NDArray[np.bool_]
Int64 = NDArray[np.int64]


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
    near = _Nearness(TOLERANCE * math.hypot(*label.shape) if radius is None else radius)
    counts = sum((_counts(strip, classes, near) for strip in _strips(label, mask, near.reach)), _Counts.none(classes))
    return counts.f1()


def class_means(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each class, [classes], over the frames, [n, classes], in which it is not NaN; NaN without any."""
    means = np.full(frames.shape[1], np.nan)
    for index, column in enumerate(frames.T):
        known = column[~np.isnan(column)]
        if known.size:
            means[index] = math.fsum(known) / known.size  # exact, so that the order does not matter
    return means


@dataclass(frozen=True)
class _Rows:
    """Rows of a frame, with so many above and below that all that is near them is inside.

    label, mask: uint8 [h, w], IGNORE in both where the label is. core: the rows that count, in these.
    """

    label: UInt8
    mask: UInt8
    core: slice


def _strips(label: UInt8, mask: UInt8, reach: int) -> Iterator[_Rows]:
    """The frame in parts, so that memory does not grow with it; of an ordinary size there is one."""
    height, width = label.shape
    margin = reach + 1  # whether a pixel is on a boundary depends on its neighbour
    rows = max(4 * margin, _STRIP // width)
    for start in range(0, height, rows):
        top, bottom = max(0, start - margin), min(height, start + rows + margin)
        part = label[top:bottom]
        hidden = np.where(part == IGNORE, np.uint8(IGNORE), mask[top:bottom])
        yield _Rows(part, hidden, slice(start - top, min(height, start + rows) - top))


@dataclass(frozen=True)
class _Counts:
    """Boundary pixels of each class, int64 [classes]: of the label, of the mask, and how many are near the other's."""

    true: Int64
    found: Int64
    true_near: Int64
    found_near: Int64

    @classmethod
    def none(cls, classes: int) -> _Counts:
        return cls(*np.zeros((4, classes), np.int64))

    def __add__(self, other: _Counts) -> _Counts:
        return _Counts(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    def f1(self) -> NDArray[np.float64]:
        """[classes]; NaN for a class without a boundary in the label."""
        scores = np.full(len(self.true), np.nan)
        for index in np.flatnonzero(self.true):
            recall = int(self.true_near[index]) / int(self.true[index])
            precision = int(self.found_near[index]) / int(self.found[index]) if self.found[index] else 0.0
            scores[index] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return scores


def _counts(strip: _Rows, classes: int, near: _Nearness) -> _Counts:
    true_edges, edges = edges_of(strip.label), edges_of(strip.mask)
    true, found = (
        np.bincount(of[strip.core][edge[strip.core]], minlength=classes)[:classes]
        for of, edge in ((strip.label, true_edges), (strip.mask, edges))
    )
    counts = replace(_Counts.none(classes), true=true, found=found)
    for index in np.flatnonzero(true + found).tolist():
        of_label, of_mask = true_edges & (strip.label == index), edges & (strip.mask == index)
        counts.true_near[index] = near.count(of_label, of_mask, strip.core)
        counts.found_near[index] = near.count(of_mask, of_label, strip.core)
    return counts


def edges_of(mask: UInt8) -> Bool:
    """Pixels, bool [h, w], with a neighbour of another class; IGNORE is no class."""
    edges = np.zeros(mask.shape, bool)
    counted = mask != IGNORE
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        differ = (mask[one] != mask[other]) & counted[one] & counted[other]
        edges[one] |= differ
        edges[other] |= differ
    return edges


class _Nearness:
    """Which pixels lie within a radius of others: offsets are whole numbers, and no distance is rounded."""

    def __init__(self, radius: float) -> None:
        self._square = (radius + _ROUNDING) ** 2
        self.reach = reach = int(radius + _ROUNDING)
        y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        self._disc = np.asarray(y * y + x * x <= self._square, dtype=np.uint8)

    def count(self, pixels: Bool, targets: Bool, core: slice) -> int:
        """How many `pixels` in the rows `core` have one of `targets` within the radius."""
        counted = np.zeros(pixels.shape, bool)
        counted[core] = pixels[core]
        if not (counted.any() and targets.any()):
            return 0
        both = counted | targets
        rows, columns = np.flatnonzero(both.any(1)), np.flatnonzero(both.any(0))
        inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # nothing outside can be near either
        return int(np.count_nonzero(counted[inside] & self._reached(targets[inside])))

    def _reached(self, targets: Bool) -> Bool:
        if self.reach <= _SMALL:
            return cv2.dilate(targets.view(np.uint8), self._disc).view(bool)
        distance = cv2.distanceTransform((~targets).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        return np.asarray(np.rint(distance * distance) <= self._square)  # squares of distances are whole numbers


_STRIP = 1 << 22  # pixels of a part of a frame that is looked at: each takes about 20 bytes
_SMALL = 16  # pixels: up to here a disc is faster than a distance transform (at 480×360 it takes a tenth of its time)
_ROUNDING = 1e-9  # of 400×400 the tolerance is the root of 18, and in floating point a little less
