"""How much accuracy an INT8 model loses compared with its float model, on the same frames, and the allowed loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from edgeunet.data.dataset import DatasetFolder
from edgeunet.evaluation.metrics import class_iou, mean_iou
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from edgeunet.runtime.tiled_session import tiled
from edgeunet.utils.limits import require_in
from edgeunet_export.graph.narrow import rounded_file
from edgeunet_export.verify.mask_agreement import MaskComparison, compare

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Drop:
    """The loss from A to B in points: 100 times the difference of mIoU; negative where B is better.

    interval: 95 %, for other frames like these; too narrow if the frames are neighbours in one video.
        None for a single frame, or where no pixel has a label.
    classes: the loss of IoU of each class; NaN for a class that the labels do not have.
    """

    points: float  # NaN where no pixel has a label
    interval: tuple[float, float] | None
    classes: tuple[float, ...]

    def __str__(self) -> str:
        interval = f" ({self.interval[0]:+.2f} to {self.interval[1]:+.2f})" if self.interval else ""
        return f"mIoU drop {self.points:+.2f} points{interval}"


@dataclass(frozen=True)
class Accuracy:
    """INT8 (B) compared with the float model (A) on one split; without labels there is no drop."""

    comparison: MaskComparison
    drop: Drop | None

    def __str__(self) -> str:
        agreement = f"the same class on {self.comparison.agreement:.2%} of the pixels"
        return agreement if self.drop is None else f"{self.drop}, {agreement}"


@dataclass(frozen=True)
class AccuracyBudget:
    """The allowed loss of INT8. max_drop: points of mIoU, where the split has labels.
    min_agreement: share of pixels, 0 to 1, that keep their class, where it has none.
    """

    max_drop: float = 0.3
    min_agreement: float = 0.98

    def __post_init__(self) -> None:
        require_in("--max-drop, in points of mIoU,", self.max_drop, 0, 100)
        require_in("--min-agreement, a share,", self.min_agreement, 0, 1)

    def met(self, accuracy: Accuracy) -> bool:
        return self.excess(accuracy) <= 0

    def excess(self, accuracy: Accuracy) -> float:
        """By how much the budget is exceeded, in points of mIoU or of agreement; 0 or less if it is met."""
        if accuracy.drop is None:
            return 100 * (self.min_agreement - accuracy.comparison.agreement)
        # Without a labelled pixel nothing is proven.
        return math.inf if math.isnan(accuracy.drop.points) else accuracy.drop.points - self.max_drop

    def demand(self, accuracy: Accuracy) -> str:
        """The budget for such a split, for people."""
        if accuracy.drop is None:
            return f"agreement on at least {self.min_agreement:.2%} (--min-agreement)"
        return f"a drop of at most {self.max_drop:g} points (--max-drop)"


def judged(source: Path, int8: ModelProto, frames: DatasetFolder | Sequence[Path], split: str = "") -> Accuracy:
    """Compare an INT8 model in memory with its float file, in ONNX Runtime; takes frames and raises as compare."""
    with rounded_file(int8) as on_a_gpu:
        # Other backends drop the casts that round, or compute Q/DQ pairs in another way.
        comparison = compare(source, on_a_gpu, frames, split, opened=lambda path: tiled(OnnxRuntimeSession(path)))
    return Accuracy(comparison, paired_drop(*comparison.confusions) if comparison.confusions else None)


def paired_drop(a: NDArray[np.int64], b: NDArray[np.int64], *, seed: int = 0) -> Drop:
    """The drop from A to B, from their confusion matrices (frames, classes, classes) on the same frames.

    The interval is the percentile bootstrap over frames, both models always on the same ones: Efron and
    Tibshirani, An Introduction to the Bootstrap, chapters 8 and 13. The same seed gives the same interval.
    """
    frames = len(a)
    lost = 100 * (class_iou(a.sum(0)) - class_iou(b.sum(0)))
    points = 100 * float(mean_iou(a.sum(0)) - mean_iou(b.sum(0)))
    interval = None
    if frames > 1 and not math.isnan(points):
        draws = np.random.default_rng(seed).multinomial(frames, np.full(frames, 1 / frames), RESAMPLES)
        differences = 100 * (mean_iou(np.tensordot(draws, a, 1)) - mean_iou(np.tensordot(draws, b, 1)))
        tail = 50 * (1 - CONFIDENCE)
        low, high = np.nanpercentile(differences, [tail, 100 - tail])
        interval = (float(low), float(high))
    return Drop(points, interval, tuple(map(float, lost)))
