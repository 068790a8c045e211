"""The differences of the tensors inside two .onnx files on one frame, with NVIDIA's Polygraphy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgeunet.imaging.pixels import Pixels
from edgeunet.imaging.tiling import fitted_tiles
from edgeunet.runtime.cpu.onnxruntime_model import refusals
from edgeunet.utils.dependencies import needed
from edgeunet_export.graph.model_file import onnx_session, read_model
from edgeunet_export.graph.trust_nodes import CONFIDENCE, FAMILIARITY

_NOT_OF_THE_NETWORK = ("mask", CONFIDENCE, FAMILIARITY)
"""Tensors behind the logits: a class index is no quantity, and a square deviates more than what it is the square of."""


@dataclass(frozen=True)
class TensorDeviation:
    """Of one tensor, between two models.

    largest: |a - b|, in the tensor's own unit.
    relative: the same, over the tensor's largest |a|.
    """

    tensor: str
    largest: float
    relative: float


def deviations(a: Path, b: Path, pixels: Pixels) -> list[TensorDeviation]:
    """Of the float tensors with the same name and shape in both files, the relatively largest first.

    pixels: one frame, as a session takes it, fitted to each model's input; of tiles the one in the middle. No result if
    the inputs differ in size.
    Raises MissingDependencyError without Polygraphy.
    """
    with needed("polygraphy"):
        from polygraphy.backend.onnx import modify_outputs
        from polygraphy.backend.onnxrt import OnnxrtRunner
        from polygraphy.comparator import Comparator
        from polygraphy.constants import MARK_ALL
        from polygraphy.logger import G_LOGGER

    models = [read_model(path) for path in (a, b)]
    inputs = [tiles[len(tiles) // 2] for tiles in (fitted_tiles(pixels, spec) for _, spec in models)]
    if inputs[0].shape != inputs[1].shape:
        return []
    opened = [onnx_session(modify_outputs(model, MARK_ALL)) for model, _ in models]
    runners = [OnnxrtRunner(model.session, name) for model, name in zip(opened, "ab", strict=True)]
    with G_LOGGER.verbosity(G_LOGGER.CRITICAL), refusals(opened[0].origin):
        # The result of compare_accuracy has changed between 0.50 and 0.53; this one has not.
        (_, (outputs_a,)), (_, (outputs_b,)) = Comparator.run(runners, data_loader=[{"frame": inputs[0]}])
    found = []
    for name in outputs_a:
        if name in outputs_b and not name.startswith(_NOT_OF_THE_NETWORK):
            of_a, of_b = np.asarray(outputs_a[name]), np.asarray(outputs_b[name])
            if of_a.shape == of_b.shape and of_a.dtype.kind == of_b.dtype.kind == "f":
                found.append(_deviation(name, of_a.astype(np.float64), of_b.astype(np.float64)))
    return sorted(found, key=lambda deviation: deviation.relative, reverse=True)


def _deviation(name: str, a: NDArray[np.float64], b: NDArray[np.float64]) -> TensorDeviation:
    largest, peak = float(np.abs(a - b).max()), float(np.abs(a).max())
    return TensorDeviation(name, largest, largest / peak if peak else largest)
