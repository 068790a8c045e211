"""Which way to feed a foreign network is the right one, judged by its masks of labelled frames.

A pure function of confusion matrices: nothing here runs a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgeunet.evaluation.metrics import mean_iou
from edgeunet.utils.formatting import percentage
from edgeunet_export.foreign.preprocessing import Preprocessing
from edgeunet_export.foreign.search.input_ways import title_of
from edgeunet_export.verify.accuracy import paired_drop

MARGIN = 2.0
"""Points of mIoU by which the best must lead, on the same frames."""


@dataclass(frozen=True, eq=False)
class TriedWay:
    """One way to feed the network, and what came out.

    counts: int64 [frames, classes, classes], the confusion matrix of each frame, a row for each label.
    origin: the file that says that this is the way; "" if none does.
    """

    preprocessing: Preprocessing
    counts: NDArray[np.int64]
    origin: str = ""

    @cached_property
    def miou(self) -> float:
        """Over all frames and the classes that the labels have, 0 to 1."""
        return float(mean_iou(self.counts.sum(0)))

    def is_clearly_better(self, other: TriedWay) -> bool:
        """Whether it leads by MARGIN, and the 95 % interval of the lead over frames excludes 0."""
        lead = paired_drop(self.counts, other.counts)
        return lead.points >= MARGIN and lead.interval is not None and lead.interval[0] > 0

    def has_the_same_masks(self, other: TriedWay) -> bool:
        """Whether both are right and wrong in the same way, frame by frame."""
        return np.array_equal(self.counts, other.counts)


@dataclass(frozen=True, eq=False)
class Choice:
    """What the trials say.

    trials: the best first. rivals: the best, and those that it does not clearly lead; only these need more frames.
    winner: None if none may be taken; reason: then why not.
    hopeless: whether none is near what is expected, so that more frames would not help.
    """

    trials: tuple[TriedWay, ...]
    rivals: tuple[TriedWay, ...]
    winner: TriedWay | None
    reason: str = ""
    hopeless: bool = False


def choose(trials: Sequence[TriedWay]) -> Choice:
    """The trial that is clearly better than all others, or is about the best and was named by the file.

    It must have at least the mIoU of lowest_credible(). trials: one or more, on the same frames.
    """
    ranked = tuple(sorted(trials, key=lambda t: -t.miou))
    best = ranked[0]
    rivals = (best, *(t for t in ranked[1:] if not best.is_clearly_better(t)))
    if not best.counts.any():
        return Choice(ranked, rivals, None, "no pixel of these frames has a label")
    lowest = lowest_credible(best.counts.sum(0))
    if best.miou < lowest:
        reason = (
            f"the best mIoU is {percentage(best.miou)}, and that of a trained network is at least "
            f"{percentage(lowest)} on these labels: it was trained for others, or its classes are in another order"
        )
        return Choice(ranked, rivals, None, reason, hopeless=True)
    if len(rivals) == 1:
        return Choice(ranked, rivals, best)
    said = [t for t in rivals if t.origin and 100 * (best.miou - t.miou) < MARGIN]
    return Choice(ranked, rivals, said[0]) if said else Choice(ranked, rivals, None, _undecided(best, rivals[1:]))


def lowest_credible(counts: NDArray[np.int64]) -> float:
    """The mIoU that a network which was fed right has at least, from one confusion matrix of the labels.

    Twice that of the best mask of one class. Labels of two classes can put that above what good networks reach (0.45
    becomes 0.9), so never more than half of the way from there to 1; with three classes and more twice is less.
    """
    labels = counts.sum(1)
    constant = float(labels.max() / labels.sum() / np.count_nonzero(labels))
    return min(2 * constant, (1 + constant) / 2)


def _undecided(best: TriedWay, others: Sequence[TriedWay]) -> str:
    frames = len(best.counts)
    if frames == 1:
        return "one labelled frame does not tell them apart"
    if all(best.has_the_same_masks(other) for other in others):
        return f"{title_of(best.preprocessing)} and {len(others)} more give the same masks on all {frames} frames"
    return (
        f"{title_of(best.preprocessing)} leads {title_of(others[0].preprocessing)} by "
        f"{100 * (best.miou - others[0].miou):.1f} points on {frames} frames, too little to be sure"
    )
