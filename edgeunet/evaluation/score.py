"""The scores of a model: its masks of a split against the labels."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgeunet.data.dataset import DatasetFolder, Sample
from edgeunet.data.loading import LoadedSplit, load_split
from edgeunet.errors import DatasetError
from edgeunet.evaluation.boundary import TOLERANCE, boundary_f1, class_means
from edgeunet.evaluation.label_noise import LabelNoise, resized_mask
from edgeunet.evaluation.metrics import (
    Confusion,
    Scores,
    class_precision,
    class_recall,
    require_known_classes,
    scores_of,
)
from edgeunet.evaluation.scores_file import SCHEMA
from edgeunet.evaluation.seen_split import warn_of_seen
from edgeunet.imaging.pixels import Pixels, UInt8
from edgeunet.spec import IGNORE, ModelSpec
from edgeunet.utils import console
from edgeunet.utils.files import sha256


def score_masks(segment: Callable[[Pixels], UInt8], samples: Iterable[Sample], classes: int) -> Scores:
    """Run `segment` (frame [h, w, …] → mask uint8 [h, w]) on every sample and score its masks."""
    confusion = Confusion(classes)
    for sample in samples:
        confusion.add(sample.mask, segment(sample.frame))
    return confusion.scores()


class Segmenter(Protocol):
    """What turns frames into masks at their own size: a session, or a checkpoint in PyTorch."""

    spec: ModelSpec

    def segment(self, frame: Pixels) -> UInt8: ...


@runtime_checkable
class LogitSegmenter(Segmenter, Protocol):
    """One that gives the logits of its mask too: see TorchSegmenter.class_logits()."""

    def class_logits(self, frame: Pixels) -> NDArray[np.float32]: ...


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good a model's masks of a split are, frame by frame.

    samples: the split's frames and labels, n of them.
    frame_counts: int64 [n, classes, classes], the confusion matrix of each frame: a row for each label.
    frame_boundary_f1: float64 [n, classes], see docs/training.md#scores.
    ignored: pixels that do not count.
    model_sha256: of the file when the work began.
    noise: where labels are probably wrong; None if that was not asked for, or the model gives no logits.
    """

    model: Path
    spec: ModelSpec
    dataset: DatasetFolder
    split: str
    samples: LoadedSplit
    frame_counts: NDArray[np.int64]
    frame_boundary_f1: NDArray[np.float64]
    ignored: int
    model_sha256: str
    noise: LabelNoise | None = None

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """The confusion matrix of the whole split, [classes, classes]: a row for each label."""
        return np.asarray(self.frame_counts.sum(0))

    @cached_property
    def boundary_f1(self) -> NDArray[np.float64]:
        """[classes]: the mean over the frames in whose label the class has a boundary; NaN without any."""
        return class_means(self.frame_boundary_f1)

    @property
    def mean_boundary_f1(self) -> float:
        """The mean over the classes that have one; NaN if none has."""
        return float(class_means(self.boundary_f1[:, None])[0])

    @cached_property
    def wrong_shares(self) -> NDArray[np.float64]:
        """The share of wrong pixels of each frame, [n]; NaN for a frame without a pixel that counts."""
        pixels = self.frame_counts.sum((1, 2))
        wrong = pixels - np.trace(self.frame_counts, axis1=1, axis2=2)
        shares = np.full(len(pixels), np.nan)
        np.divide(wrong, pixels, out=shares, where=pixels > 0)
        return shares

    @cached_property
    def values(self) -> dict[str, Any]:
        """The content of a scores file; null where there is no figure.

        "confusion" has a row for each label and a column for each prediction, in the order of "iou". "stray_pixels" has
        the classes that no label has, whose IoU is null and in no mean, and how many pixels were predicted as them.
        """
        scores = scores_of(self.counts)
        return {
            "schema": SCHEMA,
            "model": self.model.name,
            "model_sha256": self.model_sha256,
            "precision": self.spec.provenance.precision,
            "input_size": list(self.spec.input_size),
            "tiles": list(self.spec.tiles),
            "dataset": str(self.dataset.path),
            "dataset_sha256": self.samples.sha256,
            "split": self.split,
            "frames": len(self.samples),
            "pixels": scores.pixels,
            "ignored_pixels": self.ignored,
            "miou": scores.miou,
            "accuracy": scores.accuracy,
            "mean_boundary_f1": _number(self.mean_boundary_f1),
            "boundary_tolerance": TOLERANCE,
            "iou": self._by_class(scores.iou),
            "stray_pixels": {
                name: pixels
                for name, iou, pixels in zip(self.spec.names, scores.iou, scores.stray, strict=True)
                if math.isnan(iou)
            },
            "boundary_f1": self._by_class(self.boundary_f1),
            "class_precision": self._by_class(class_precision(self.counts)),
            "class_recall": self._by_class(class_recall(self.counts)),
            "confusion": self.counts.tolist(),
        }

    def _by_class(self, values: Iterable[float]) -> dict[str, float | None]:
        return {name: _number(float(value)) for name, value in zip(self.spec.names, values, strict=True)}


def evaluate_model(
    segmenter: Segmenter, model: Path, data: Path, split: str, *, find_noise: bool = False
) -> Evaluation:
    """Run a model on every frame of a split. find_noise: look for labels that are probably wrong, if it gives logits.

    Raises DatasetError, also if no pixel of the split counts, MismatchError if the dataset has other classes
    than the model, or ModelFileError for a mask with a class that the model's spec does not have.
    """
    spec = segmenter.spec
    dataset = DatasetFolder.open(data, spec.pixels)
    spec.require_classes(dataset.names, model=str(model), dataset=str(data))
    warn_of_seen(split, spec, model)
    digest, samples = sha256(model), load_split(dataset, split)
    if not samples.facts.pixels(len(spec.classes)).any():
        raise DatasetError(f"{data}: every pixel of {split} is labelled as ignored: label some, or give another split")
    classes = len(spec.classes)
    counts, boundary, ignored = [], [], 0
    noise = LabelNoise(classes) if find_noise and isinstance(segmenter, LogitSegmenter) else None
    with console.progress() as bar:
        for number, sample in enumerate(bar.track(samples, description="evaluating")):
            if noise is not None and isinstance(segmenter, LogitSegmenter):
                logits = segmenter.class_logits(sample.frame)
                noise.add(number, sample.mask, logits)
                mask = resized_mask(logits.argmax(0).astype(np.uint8), sample.mask.shape)
            else:
                mask = segmenter.segment(sample.frame)
            require_known_classes(mask, classes, model=str(model))
            confusion = Confusion(classes)
            confusion.add(sample.mask, mask)
            counts.append(confusion.counts)
            boundary.append(boundary_f1(sample.mask, mask, classes))
            ignored += int(np.count_nonzero(sample.mask == IGNORE))
    return Evaluation(
        model, spec, dataset, split, samples, np.stack(counts), np.stack(boundary), ignored, digest, noise
    )


def _number(value: float) -> float | None:
    """NaN is not JSON."""
    return None if math.isnan(value) else value
