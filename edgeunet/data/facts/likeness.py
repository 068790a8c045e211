"""Which pictures look alike: a hash of each that a new file format, another size or other brightness hardly change.

A difference hash (dHash: N. Krawetz, "Kind of Like That", 2013) of 16×16 instead of 8×8 steps: frames of one road, a
kilometre apart, differ in 32 % of its steps at least, in only 12 % of the smaller one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.data.facts.grey import grey_of

Likeness = NDArray[np.int8]  # [256]: 1 where the picture gets brighter to the right, -1 darker, 0 neither
_SIDE = 16
_STEP = 1.0  # grey levels: a smaller step is noise
_LEAST = 32  # steps that a picture needs: a plain one is like every other plain one
_ALIKE = 0.7  # cosine: neighbours in a video have 0.75 and more, other places at most 0.4
_ROWS = 1024  # compared at once


def plain() -> Likeness:
    """The hash of a picture that is like no other."""
    return np.zeros(_SIDE * _SIDE, np.int8)


def likeness_of(frame: NDArray[Any]) -> Likeness:
    """The hash of a frame [h, w, channels] BGR or grey; plain() for a picture that has too few steps."""
    small = cv2.resize(grey_of(frame), (_SIDE + 1, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    steps = np.diff(small, axis=1).ravel()
    signs = np.where(np.abs(steps) < _STEP, 0, np.sign(steps)).astype(np.int8)
    return signs if np.count_nonzero(signs) >= _LEAST else plain()


def closest(first: Sequence[Likeness], second: Sequence[Likeness]) -> NDArray[np.int64]:
    """For each picture of `second` the number of the one in `first` that is most like it, -1 if none looks alike."""
    ones, others = _unit(first), _unit(second)
    found = np.full(len(others), -1, np.int64)
    for start in range(0, len(others) if len(ones) else 0, _ROWS):
        likeness = others[start : start + _ROWS] @ ones.T
        found[start : start + _ROWS] = np.where(likeness.max(1) >= _ALIKE, likeness.argmax(1), -1)
    return found


def groups_alike(hashes: Sequence[Likeness]) -> NDArray[np.int64]:
    """The group of each picture: those that look alike, also by way of others, have the number of the first of them."""
    ones = _unit(hashes)
    groups = np.arange(len(ones))
    for start in range(0, len(ones), _ROWS):
        found = ones[start : start + _ROWS] @ ones.T >= _ALIKE
        for row, others in enumerate(found, start):
            alike = groups[np.flatnonzero(others[: row + 1])]
            if len(alike) and alike.min() < alike.max():
                groups[np.isin(groups, alike)] = alike.min()
    return groups


def _unit(hashes: Sequence[Likeness]) -> NDArray[np.float32]:
    """(n, 256), each row of length 1 or 0."""
    rows = np.asarray(hashes, np.float32).reshape(-1, _SIDE * _SIDE)
    return np.asarray(rows / np.maximum(1.0, np.linalg.norm(rows, axis=1, keepdims=True)), np.float32)
