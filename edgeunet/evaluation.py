"""Scoring a model on a labelled split, the same for a checkpoint and for every model file.

As the literature does it: class IoU from one confusion matrix over the whole split, ignored pixels
left out, at the resolution of the labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from edgeunet.data.folder import Sample
from edgeunet.frames import UInt8
from edgeunet.metrics import Confusion, Scores

SCHEMA = "edgeunet.scores/1"


def evaluate(segment: Callable[[UInt8], UInt8], samples: Iterable[Sample], classes: int) -> Scores:
    """Run `segment` (frame uint8 [h, w, 3] → mask uint8 [h, w]) on every sample and score its masks."""
    confusion = Confusion(classes)
    for sample in samples:
        confusion.add(sample.mask, segment(sample.frame))
    return confusion.scores()


def scores_json(scores: Scores, names: tuple[str, ...], **origin: str | int) -> dict[str, Any]:
    """The scores as `edgeunet evaluate --json` prints them; `origin` says which model and data they belong to."""
    iou = {name: None if value != value else value for name, value in zip(names, scores.iou, strict=True)}
    return {"schema": SCHEMA, **origin, "miou": scores.miou, "accuracy": scores.accuracy, "iou": iou}
