"""An ONNX model as the quantisation's rules see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgeunet.quantisation.graph import Graph, Operation
from edgeunet_export.graph.types import element_types

Constants = Mapping[str, NDArray[np.generic]]
_FACTS = ("Shape", "Size")  # they tell of a tensor, but nothing of its values


def graph_of(model: ModelProto) -> Graph:
    """The nodes that compute something from the model's inputs."""
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    types = element_types(model)
    sources = frozenset(value.name for value in model.graph.input)
    known = set(sources)
    operations = []
    for node in model.graph.node:
        inputs = tuple(tensor for tensor in node.input if tensor in known)
        if not inputs:
            continue
        operations.append(
            Operation(
                node.op_type,
                inputs,
                tuple(filter(None, node.output)),
                types.get(node.output[0]) == TensorProto.FLOAT,
                copied_inputs(node, constants),
                _channels(node, constants) if node.op_type == "Conv" else 0,
            )
        )
        if node.op_type not in _FACTS:
            known.update(operations[-1].outputs)
    return Graph(sources, tuple(operations), frozenset(value.name for value in model.graph.output))


def copied_inputs(node: NodeProto, constants: Constants) -> tuple[str, ...]:
    """The inputs whose values the node's output holds unchanged; none for an operator that computes new ones."""
    if node.op_type == "Concat":
        return tuple(node.input)
    moves = (
        node.op_type == "MaxPool"
        or (node.op_type == "Resize" and attribute(node, "mode", b"nearest") == b"nearest")
        or (node.op_type == "Pad" and _pads_with_zeros(node, constants))
    )
    return (node.input[0],) if moves else ()


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def _channels(node: NodeProto, constants: Constants) -> int:
    """Of the input of a Conv; 0 if its weights are not stored."""
    if node.input[1] not in constants:
        return 0
    return int(constants[node.input[1]].shape[1] * attribute(node, "group", 1))  # (out, in / groups, height, width)


def _pads_with_zeros(node: NodeProto, constants: Constants) -> bool:
    value = node.input[2] if len(node.input) > 2 else ""
    zero = not value or (value in constants and not constants[value].any())
    return bool(zero and attribute(node, "mode", b"constant") == b"constant")
