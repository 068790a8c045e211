"""Bias correction: INT8 shifts the mean of a channel, and the bias undoes the shift.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.2; measured
on frames, as in its appendix D.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from edgeunet.quantisation.graph import CONVOLUTIONS
from edgeunet.utils.console import progress
from edgeunet_export.int8.candidate import Candidate
from edgeunet_export.int8.repair.trials import Trials


def corrected(candidate: Candidate, trials: Trials) -> Candidate:
    """The candidate with other biases: the mean of every channel of a convolution is the same as in float.

    One convolution after another, from input to output; each is measured with all before it corrected.
    """
    model = ModelProto()
    model.CopyFrom(candidate.model.proto)
    result = candidate
    convolutions = [node for node in model.graph.node if node.op_type in CONVOLUTIONS]
    expected = _means(trials, candidate.model.proto, [node.output[0] for node in convolutions])
    with progress() as bar:
        for node in bar.track(convolutions, description="correcting biases"):
            (tensor,) = node.output
            # In the INT8 model, too, this is the convolution's own output; a Q/DQ pair comes after it.
            shift = _means(trials, result.int8, [tensor])[tensor] - expected[tensor]
            _subtract(model, node, shift)
            result = replace(result, model=result.model.with_weights(model))
    return result


def _means(trials: Trials, model: ModelProto, tensors: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """The mean (C,) of each channel over all frames and pixels."""
    totals = dict.fromkeys(tensors, np.zeros(()))
    for values in trials.observed(model, tensors):
        for tensor, value in values.items():
            totals[tensor] = totals[tensor] + value.mean(axis=(0, 2, 3), dtype=np.float64)
    return {tensor: total / len(trials.frames) for tensor, total in totals.items()}


def _subtract(model: ModelProto, node: NodeProto, shift: NDArray[np.float64]) -> None:
    """Subtract from the bias of a convolution, and of no other one; a convolution without a bias gets one."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    name = node.input[2] if len(node.input) > 2 else ""
    if name and name not in stored:
        return  # computed in the graph, so it cannot be changed
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
