"""Q/DQ pairs written into a float32 model: symmetric int8, zero points 0."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from export.placement import Group, Placement
from export.ranges import TOP, scale

_ZERO_POINT = "zero_point"


def quantized(
    model: ModelProto,
    placement: Placement,
    clips: Mapping[Group, float],
    scale_type: type[np.floating[Any]] = np.float32,
) -> ModelProto:
    """A copy of a float model with explicit quantisation.

    scale_type: what the scales, float32 here, can be turned into without a change.

    Activations: per tensor, one scale for each group, Q → DQ after the tensor is computed. Only the nodes
    of the placement read the dequantised version. Weights: int8 with a scale for each output channel → DQ.
    Biases stay float32: TensorRT refuses int32 ones.
    """
    model = type(model).FromString(model.SerializeToString())
    graph = model.graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    scales = {tensor: f"{group.tensors[0]}.scale" for group in placement.groups for tensor in group.tensors}
    constants = [numpy_helper.from_array(np.array(0, np.int8), _ZERO_POINT)]
    for group, limit in clips.items():
        stored = _stored(np.array(scale(limit)), scale_type)
        constants.append(numpy_helper.from_array(stored, scales[group.tensors[0]]))
    nodes: list[NodeProto] = []
    done: set[str] = set()
    for node in graph.node:
        if node.output[0] in placement.convolutions:
            weight = node.input[1]
            if weight not in done:
                done.add(weight)
                constants.extend(_int8_weight(weight, weights[weight], scale_type))
                parts = [f"{weight}.int8", f"{weight}.scale", f"{weight}.zero_point"]
                nodes.append(_dequantize(weight, parts, axis=0))
            node.input[0] = _dequantized(node.input[0])
            node.input[1] = _dequantized(weight)
        elif node.output[0] in placement.copies:
            for index, tensor in enumerate(node.input):
                if tensor in scales:
                    node.input[index] = _dequantized(tensor)
        nodes.append(node)
        for tensor in node.output:
            if tensor in scales:
                nodes += _pair(tensor, scales[tensor])
    read = {name for node in nodes for name in node.input}
    constants = [tensor for tensor in (*graph.initializer, *constants) if tensor.name in read]
    replaced = helper.make_graph(nodes, graph.name, graph.input, graph.output, constants)
    graph.CopyFrom(replaced)
    return model


def _pair(tensor: str, scale_name: str) -> Iterator[NodeProto]:
    yield helper.make_node(
        "QuantizeLinear", [tensor, scale_name, _ZERO_POINT], [f"{tensor}.int8"], f"{tensor}.quantize"
    )
    yield _dequantize(tensor, [f"{tensor}.int8", scale_name, _ZERO_POINT])


def _dequantize(name: str, inputs: list[str], **attributes: Any) -> NodeProto:
    return helper.make_node("DequantizeLinear", inputs, [_dequantized(name)], f"{name}.dequantize", **attributes)


def _dequantized(tensor: str) -> str:
    return f"{tensor}.dequantized"


def _stored(exact: NDArray[Any], scale_type: type[np.floating[Any]]) -> NDArray[np.float32]:
    """Scales as that type can hold them, in float32; rounded up, so that nothing is clipped and none becomes zero."""
    held = exact.astype(scale_type)
    held = np.where(held < exact, np.nextafter(held, scale_type(np.inf)), held)
    return np.asarray(held, dtype=np.float32)


def _int8_weight(name: str, weight: NDArray[np.generic], scale_type: type[np.floating[Any]]) -> Iterator[TensorProto]:
    """Weights (out, in, height, width) float32 as int8, with the scale (out,) float32 of each output channel."""
    value = weight.astype(np.float32)
    peak = np.abs(value).max(axis=(1, 2, 3))
    steps = _stored(np.array([scale(float(limit)) for limit in peak]), scale_type)
    # -128 stays unused: a symmetric range.
    integers = np.clip(np.rint(value / steps[:, None, None, None]), -TOP, TOP).astype(np.int8)
    yield numpy_helper.from_array(integers, f"{name}.int8")
    yield numpy_helper.from_array(steps, f"{name}.scale")
    yield numpy_helper.from_array(np.zeros(len(steps), np.int8), f"{name}.zero_point")
