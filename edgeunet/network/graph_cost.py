"""What the network in a .onnx file costs: its parameters and its operations, counted from the graph."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx
from onnx import ModelProto, NodeProto

from edgeunet.errors import ModelFileError
from edgeunet.utils.formatting import one_line

_WEIGHED = ("Conv", "ConvTranspose")
Shape = tuple[int, ...]


@dataclass(frozen=True)
class GraphCost:
    """parameters: of the convolutions, batch norm folded into them. flops: for one frame, 2 for each multiply-add."""

    parameters: int
    flops: int


def graph_cost(path: Path) -> GraphCost:
    """Count without the weights themselves. Raises ModelFileError for a graph whose shapes are unknown."""
    try:
        model = onnx.load(path, load_external_data=False)
        shapes = _shapes(model)
        parts = [_cost(node, shapes) for node in model.graph.node if node.op_type in _WEIGHED]
    except Exception as error:  # protobuf, the loader and shape inference each have exceptions of their own
        raise ModelFileError(f"{path} is not a valid ONNX model ({one_line(error, 120)}): export it again") from error
    return GraphCost(sum(parameters for parameters, _ in parts), sum(flops for _, flops in parts))


def _cost(node: NodeProto, shapes: dict[str, Shape]) -> tuple[int, int]:
    weights = prod(shapes[node.input[1]])
    biases = prod(shapes[node.input[2]]) if len(node.input) > 2 else 0
    # Each weight is used for every output pixel of a convolution, and for every input pixel of a transposed one.
    pixels = shapes[node.output[0] if node.op_type == "Conv" else node.input[0]][2:]
    return weights + biases, 2 * weights * prod(pixels)


def _shapes(model: ModelProto) -> dict[str, Shape]:
    """Of every tensor; a dimension that is free counts as 1."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    found: dict[str, Shape] = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        found[value.name] = tuple(d.dim_value or 1 for d in value.type.tensor_type.shape.dim)
    return found
