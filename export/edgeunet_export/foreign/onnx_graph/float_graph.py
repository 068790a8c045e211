"""The graph of a file with half floats or a uint8 input → the same graph in float32, with a float32 input."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

HALF, FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT


def widened(model: ModelProto) -> ModelProto:
    """A copy that computes in float32 and takes float32, whatever it stored and took; shapes inside are forgotten."""
    model = type(model).FromString(model.SerializeToString())
    for graph in graphs(model.graph):
        del graph.value_info[:]
        for value in (*graph.input, *graph.output):
            if value.type.tensor_type.elem_type == HALF:
                value.type.tensor_type.elem_type = FLOAT
        for tensor in graph.initializer:
            _widen(tensor)
        for node in graph.node:
            _widen_node(node)
    stored = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        if value.name not in stored:
            value.type.tensor_type.elem_type = FLOAT
    return model


def graphs(graph: GraphProto) -> Iterator[GraphProto]:
    """A graph and those inside its nodes."""
    yield graph
    for node in graph.node:
        for inner in _graphs_in(node):
            yield from graphs(inner)


def inner_nodes(node: NodeProto) -> Iterator[NodeProto]:
    """The nodes of the graphs inside a node."""
    for graph in (inner for each in _graphs_in(node) for inner in graphs(each)):
        yield from graph.node


def _graphs_in(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        yield from ([attribute.g] if attribute.HasField("g") else [])
        yield from attribute.graphs


def _widen_node(node: NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            _widen(attribute.t)
        if attribute.name in ("to", "dtype") and attribute.i == HALF:
            attribute.i = FLOAT


def _widen(tensor: TensorProto) -> None:
    if tensor.data_type == HALF:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
