"""Scoring a model on a labelled split, the same for a checkpoint and for every model file.

As the literature does it: class IoU from one confusion matrix over the whole split, ignored pixels
left out, at the resolution of the labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from edgeunet import console
from edgeunet.data.folder import DatasetFolder, Sample
from edgeunet.files import sha256
from edgeunet.frames import UInt8
from edgeunet.metrics import Confusion, Scores
from edgeunet.spec import ModelSpec

SCHEMA = "edgeunet.scores/1"


def evaluate(segment: Callable[[UInt8], UInt8], samples: Iterable[Sample], classes: int) -> Scores:
    """Run `segment` (frame uint8 [h, w, 3] → mask uint8 [h, w]) on every sample and score its masks."""
    confusion = Confusion(classes)
    for sample in samples:
        confusion.add(sample.mask, segment(sample.frame))
    return confusion.scores()


class Segmenter(Protocol):
    """Whatever turns frames into masks: a session, or a checkpoint in PyTorch."""

    spec: ModelSpec

    def segment(self, frame: UInt8) -> UInt8: ...


def score_model(segmenter: Segmenter, model: Path, data: Path, split: str) -> dict[str, Any]:
    """Score a model on a split and give what `edgeunet evaluate --json` prints.

    Raises DatasetError, or MismatchError if the dataset has other classes than the model.
    """
    spec = segmenter.spec
    dataset = DatasetFolder.open(data)
    spec.require_classes(dataset.names, model=str(model), dataset=str(data))
    samples = dataset.load(split)
    with console.progress() as bar:
        scores = evaluate(segmenter.segment, bar.track(samples, description="evaluating"), len(spec.classes))
    iou = zip(spec.names, scores.iou, strict=True)
    return {
        "schema": SCHEMA,
        "model": model.name,
        "model_sha256": sha256(model),
        "precision": spec.provenance.precision,
        "dataset": str(data),
        "dataset_sha256": dataset.sha256(split),
        "split": split,
        "frames": len(samples),
        "miou": scores.miou,
        "accuracy": scores.accuracy,
        "iou": {name: None if value != value else value for name, value in iou},  # NaN is not JSON
    }
