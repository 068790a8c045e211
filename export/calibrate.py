"""Ranges of a model's activations, from frames that go through the model one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from edgeunet.console import progress
from edgeunet.errors import ExportError, UsageError
from edgeunet.spec import ModelSpec
from export.frames import fitted, own_or_given, read_frames, spread
from export.modelfile import onnx_session
from export.placement import Group
from export.ranges import METHODS, Histogram, clip


@dataclass(frozen=True)
class CalibrationOptions:
    """What the ranges come from: at most `images` images of a split of the dataset `data`, evenly spread.

    method: "minmax", "percentile" (99.99 %), "entropy" (Kullback-Leibler) or "mse".
    """

    data: Path
    split: str = "train"
    # Pixels that stay the same, mean of three networks trained on the sample frames: mse 99.66 %, entropy 99.58,
    # minmax 99.53, percentile 99.44; on the sample clip, another camera's, 99.05, 98.30, 98.74, 97.79.
    method: str = "mse"
    images: int = 500

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"unknown calibration method {self.method!r}: choose one of {', '.join(METHODS)}")
        if self.images < 1:
            raise UsageError(f"calibration needs at least 1 image, got {self.images}")

    def chosen(self, spec: ModelSpec, model: Path) -> list[Path]:
        """The images. Raises MismatchError for a dataset of other classes, DatasetError for a damaged one."""
        return spread(own_or_given(self.data, self.split, spec, model), self.images)


def calibrated_clips(
    model: ModelProto, spec: ModelSpec, groups: Iterable[Group], images: Sequence[Path], method: str
) -> dict[Group, float]:
    """The value at which each group is clipped, in the tensors' own unit.

    images: files of frames of any size. One frame's activations are in memory at a time, and a
        histogram of fixed size for each group.
    Raises ExportError for an activation that is not finite, naming layer and image; DatasetError for an
    image that can't be read.
    """
    histograms = {group: Histogram() for group in groups}
    of_tensor = {tensor: histogram for group, histogram in histograms.items() for tensor in group.sources}
    tensors = [output for node in model.graph.node for output in node.output if output in of_tensor]
    for image, activations in observed(_observable(model, tensors), spec, images, "calibrating"):
        for tensor, values in activations.items():
            require_finite(values, tensor, image)
            of_tensor[tensor].add(values)
    return {group: clip(histogram, method) for group, histogram in histograms.items()}


def observed(
    model: ModelProto, spec: ModelSpec, images: Sequence[Path], work: str
) -> Iterator[tuple[str, dict[str, NDArray[np.float32]]]]:
    """Name of the image and all outputs of the model, for one image after another, with a progress bar."""
    session = onnx_session(model)
    outputs = [output.name for output in model.graph.output]
    with progress() as bar:
        task = bar.add_task(work, total=len(images), note="")
        for name, frame in read_frames(images):
            yield name, dict(zip(outputs, session.run(outputs, {"frame": fitted(frame, spec)}), strict=True))
            bar.advance(task)


def require_finite(values: Any, tensor: str, image: str) -> None:
    """Raise ExportError if an activation is NaN or infinite."""
    if not np.isfinite(values).all():
        raise ExportError(
            f"{tensor} gives values that are not finite (NaN or infinite) on {image}: "
            "the model's weights are damaged or have exploded, train it again"
        )


def _observable(model: ModelProto, tensors: list[str]) -> ModelProto:
    """The same model with these float32 tensors as its outputs."""
    observable = ModelProto()
    observable.CopyFrom(model)
    del observable.graph.output[:]
    # Without a shape in the file, ONNX Runtime infers it.
    observable.graph.output.extend(helper.make_tensor_value_info(t, TensorProto.FLOAT, None) for t in tensors)
    return observable
