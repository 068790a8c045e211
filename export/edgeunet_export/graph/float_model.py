"""A float ONNX model with all facts that the steps of an export need, found once and passed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgeunet.quantisation.graph import LINEAR, Graph, Operation, moves
from edgeunet_export.graph.types import inferred

Constants = Mapping[str, NDArray[Any]]
MEAN, STD = "mean", "std"
"""The stored tensors [1, C, 1, 1] of a model file that are taken off the frame's channels, and divide them."""
_FACTS = ("Shape", "Size")  # what they return says nothing about a tensor's values


@dataclass(frozen=True)
class FloatModel:
    """One model; its parts are not changed.

    constants: the stored tensors. types: the element type (TensorProto.FLOAT, …) of every tensor.
    shapes: of every tensor that is computed; 0 where a size is not known.
    graph: the nodes that compute something from the model's inputs.
    held: tensors that are read outside this model too: their values must stay.
    """

    proto: ModelProto
    constants: Constants
    types: Mapping[str, int]
    shapes: Mapping[str, tuple[int, ...]]
    graph: Graph
    held: frozenset[str] = frozenset()

    @classmethod
    def of(cls, proto: ModelProto, held: frozenset[str] = frozenset()) -> FloatModel:
        types, shapes = inferred(proto)
        constants = _constants(proto)
        return cls(proto, constants, types, shapes, _graph(proto, constants, types, shapes), held)

    def with_weights(self, proto: ModelProto) -> FloatModel:
        """The same network with the stored tensors of `proto`."""
        return replace(self, proto=proto, constants=_constants(proto))


def copied_inputs(node: NodeProto, constants: Constants) -> tuple[str, ...]:
    """The inputs whose values the node's output holds unchanged; () for an operator that computes new ones."""
    fills = node.op_type == "Pad" and not _pads_with_zeros(node, constants)
    interpolates = node.op_type == "Resize" and attribute(node, "mode", b"nearest") != b"nearest"
    if not moves(node.op_type, interpolates=interpolates, fills=fills):
        return ()
    return tuple(node.input) if node.op_type == "Concat" else (node.input[0],)


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def output_axis(node: NodeProto) -> int:
    """Of the weights of a convolution or a linear layer: the axis of the output channels, each of which has a scale."""
    if node.op_type == "Gemm":
        return 0 if attribute(node, "transB", 0) else 1
    return 0 if node.op_type == "Conv" else 1


def _constants(proto: ModelProto) -> Constants:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def _graph(
    proto: ModelProto, constants: Constants, types: Mapping[str, int], shapes: Mapping[str, tuple[int, ...]]
) -> Graph:
    sources = frozenset(value.name for value in proto.graph.input)
    known = set(sources)
    operations = []
    for node in proto.graph.node:
        inputs = tuple(tensor for tensor in node.input if tensor in known)
        if not inputs or node.op_type in _FACTS:
            continue
        outputs = tuple(filter(None, node.output))
        one_pixel = set(_places(shapes.get(outputs[0], ()))) == {1}
        operation = Operation(
            node.op_type,
            inputs,
            outputs,
            tuple(tensor for tensor in outputs if types.get(tensor) != TensorProto.FLOAT),
            copied_inputs(node, constants),
            0 if one_pixel else _channels(node, constants),
        )
        operations.append(operation)
        known.update(outputs)
    return Graph(sources, tuple(operations), frozenset(value.name for value in proto.graph.output))


def _channels(node: NodeProto, constants: Constants) -> int:
    """Of the input of a Conv or of a linear layer with stored weights; else 0."""
    if node.op_type not in ("Conv", *LINEAR) or node.input[1] not in constants:
        return 0
    weights = constants[node.input[1]]
    if node.op_type == "Conv":
        return int(weights.shape[1] * attribute(node, "group", 1))  # (out, in / groups, height, width)
    plain = weights.ndim == 2 and (attribute(node, "alpha", 1.0), attribute(node, "transA", 0)) == (1.0, 0)
    return int(weights.shape[1 - output_axis(node)]) if plain else 0


def _places(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes next to the channels: (N, C, H, W) → (H, W), (N, tokens, C) and (tokens, C) → (tokens,)."""
    return shape[2:] if len(shape) > 3 else shape[-2:-1]


def _pads_with_zeros(node: NodeProto, constants: Constants) -> bool:
    value = node.input[2] if len(node.input) > 2 else ""
    zero = not value or (value in constants and not np.any(constants[value]))
    return bool(zero and attribute(node, "mode", b"constant") == b"constant")
