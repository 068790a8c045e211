"""Bias correction: INT8 shifts the mean of a channel, and the bias takes the shift back.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.2; measured
on frames, as its appendix D does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from edgeunet.utils.console import progress
from edgeunet_export.int8.repair.trials import Candidate, Trials

_CONVOLUTIONS = ("Conv", "ConvTranspose")


def corrected(candidate: Candidate, trials: Trials) -> Candidate:
    """The candidate with other biases: the mean of every convolution's channels is what it is in float.

    From input to output, one convolution after another: the next one is measured with all before it corrected.
    """
    model = ModelProto()
    model.CopyFrom(candidate.model)
    result = replace(candidate, model=model)
    convolutions = [node for node in model.graph.node if node.op_type in _CONVOLUTIONS]
    expected = _means(trials, candidate.model, [node.output[0] for node in convolutions])
    with progress() as bar:
        for node in bar.track(convolutions, description="correcting biases"):
            (tensor,) = node.output
            # The writer leaves a convolution's own output as it is; the pair comes after it.
            shift = _means(trials, trials.int8(result), [tensor])[tensor] - expected[tensor]
            _subtract(model, node, shift)
    return result


def _means(trials: Trials, model: ModelProto, tensors: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """The mean (C,) of each channel over all frames and pixels."""
    totals = dict.fromkeys(tensors, np.zeros(()))
    for values in trials.observed(model, tensors):
        for tensor, value in values.items():
            totals[tensor] = totals[tensor] + value.mean(axis=(0, 2, 3), dtype=np.float64)
    return {tensor: total / len(trials.frames) for tensor, total in totals.items()}


def _subtract(model: ModelProto, node: NodeProto, shift: NDArray[np.float64]) -> None:
    """Give a convolution a bias of its own, that much smaller."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    name = node.input[2] if len(node.input) > 2 else ""
    if name and name not in stored:
        return  # computed in the graph: not ours to change
    value = numpy_helper.to_array(stored[name]) if name else 0.0
    shared = sum(name in other.input for other in model.graph.node) > 1
    own = name if name and not shared else f"{node.output[0]}.corrected_bias"
    tensor = numpy_helper.from_array((value - shift).astype(np.float32), own)
    if own == name:
        stored[name].CopyFrom(tensor)
    else:
        model.graph.initializer.append(tensor)
        del node.input[2:]
        node.input.append(own)
