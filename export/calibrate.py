"""Ranges of a model's activations, from frames that go through the model one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper

from edgeunet.console import progress
from edgeunet.errors import ExportError
from edgeunet.spec import ModelSpec
from export.frames import fitted, read_frames
from export.modelfile import onnx_session
from export.placement import Group
from export.ranges import Histogram, clip


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
    observed = [output for node in model.graph.node for output in node.output if output in of_tensor]
    session = onnx_session(_observable(model, observed))
    with progress() as bar:
        task = bar.add_task("calibrating", total=len(images), note="")
        for name, frame in read_frames(images):
            activations = session.run(observed, {"frame": fitted(frame, spec)})
            for tensor, values in zip(observed, activations, strict=True):
                if not np.isfinite(values).all():
                    raise ExportError(
                        f"{tensor} gives values that are not finite (NaN or infinite) on {name}: "
                        "the model's weights are damaged or have exploded, train it again"
                    )
                of_tensor[tensor].add(values)
            bar.advance(task)
    return {group: clip(histogram, method) for group, histogram in histograms.items()}


def _observable(model: ModelProto, tensors: list[str]) -> ModelProto:
    """The same model with these float32 tensors as its outputs."""
    observable = ModelProto()
    observable.CopyFrom(model)
    del observable.graph.output[:]
    # Without a shape in the file, ONNX Runtime infers it.
    observable.graph.output.extend(helper.make_tensor_value_info(t, TensorProto.FLOAT, None) for t in tensors)
    return observable
