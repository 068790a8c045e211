"""What is worth looking at: the classes that are mistaken for others, and the worst frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgeunet.evaluation.score import Evaluation

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Mistake:
    """Pixels of one class that were taken for another."""

    label: int
    prediction: int
    pixels: int
    share: float  # of the label's pixels
    share_of_wrong: float  # of all wrong pixels


def mistakes(counts: Counts) -> list[Mistake]:
    """Every pair of classes that are confused in a confusion matrix, [classes, classes] with a row for each label."""
    labelled = counts.sum(1)
    wrong = int(counts.sum() - np.trace(counts))
    return [
        Mistake(a, b, int(n), int(n) / int(labelled[a]), int(n) / wrong)
        for (a, b), n in np.ndenumerate(counts)
        if a != b and n
    ]


def ranking(evaluation: Evaluation) -> list[int]:
    """The frames with a pixel that counts, by their share of wrong pixels, the worst first; then by name."""
    shares = evaluation.wrong_shares
    return sorted((int(i) for i in np.flatnonzero(~np.isnan(shares))), key=lambda i: (-shares[i], i))


def worst_frames(evaluation: Evaluation, most: int, gap: int) -> list[int]:
    """The first of the ranking with a wrong pixel, more than `gap` frames apart.

    Frames of one video follow each other by name, and the neighbours of the worst show the same again.
    """
    shares = evaluation.wrong_shares
    chosen: list[int] = []
    for index in ranking(evaluation):
        if len(chosen) < most and shares[index] > 0 and all(abs(index - other) > gap for other in chosen):
            chosen.append(index)
    return chosen


def worst_frame_of(evaluation: Evaluation, index: int) -> int | None:
    """The frame in which most pixels of this class are wrong, missed or wrongly claimed; None if none is."""
    counts = evaluation.frame_counts
    wrong = counts[:, index].sum(1) + counts[:, :, index].sum(1) - 2 * counts[:, index, index]
    return int(wrong.argmax()) if wrong.any() else None
