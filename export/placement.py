"""Where Q/DQ pairs go, and which tensors must share one scale.

TensorRT's rules: quantise what enters a convolution, never between a convolution and its ReLU, and
not the network's result. An operator that only moves values about (pooling, concatenation, nearest
resize, zero padding) runs in int8 without requantising if its inputs and its output have one scale,
so all of them form a group. In a U-Net a group is a skip, its pooled version, the upsampled path
that meets it, and their concatenation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

_QUANTISED = {"Conv", "MaxPool", "Resize", "Pad", "Concat"}
_FLOAT = {"Cast", "Transpose", "Sub", "ConvTranspose", "Relu", "ArgMax", "Squeeze", "Greater"}
_FEW_CHANNELS = 4

Constants = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Group:
    """Tensors that share one scale, each with a Q/DQ pair, in the graph's order.

    sources: those of them that are computed; the others hold the same values again.
    """

    tensors: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Placement:
    """What is quantised in one graph.

    convolutions, copies: the nodes that read quantised tensors, by their output's name.
    left_float: operators that the rules don't know, with their number; they stay in float.
    """

    groups: tuple[Group, ...]
    convolutions: frozenset[str]
    copies: frozenset[str]
    left_float: Mapping[str, int]


def place(model: ModelProto, wide: Collection[str] = ()) -> Placement:
    """Decide for a float model; nothing is changed.

    wide: outputs of nodes that must stay in float32; they are not quantised.

    The first convolution (3 channels in) and the last stay in float: they cost little, and their error
    goes straight into the mask. So does ConvTranspose, for which TensorRT often lacks an INT8 kernel.
    """
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    computed = [output for node in graph.node for output in node.output]
    convolutions = [node for node in _convolutions(graph, constants) if node.output[0] not in wide]
    quantised = {node.input[0] for node in convolutions}
    copies = {}
    for node in reversed(graph.node):  # ONNX keeps nodes in order of execution
        sources = _copied(node, constants)
        if node.output[0] in quantised - set(wide) and sources and set(sources) <= set(computed):
            copies[node.output[0]] = sources
            quantised.update(sources)
    together = {tensor: {tensor} for tensor in quantised}
    for output, sources in copies.items():
        merged = set().union(*(together[tensor] for tensor in (output, *sources)))
        together.update(dict.fromkeys(merged, merged))
    groups: dict[int, Group] = {}
    for tensor in computed:
        if tensor in together:
            members = tuple(t for t in computed if t in together[tensor])
            groups[id(together[tensor])] = Group(members, tuple(t for t in members if t not in copies))
    unknown = Counter(node.op_type for node in graph.node if node.op_type not in _QUANTISED | _FLOAT)
    return Placement(
        tuple(groups.values()), frozenset(node.output[0] for node in convolutions), frozenset(copies), unknown
    )


def _convolutions(graph: GraphProto, constants: Constants) -> list[NodeProto]:
    """The Conv nodes between the first and the last that have constant weights."""
    computed = {output for node in graph.node for output in node.output}
    inner: list[NodeProto] = []
    leads_to_convolution: set[str] = set()
    for node in reversed(graph.node):
        leads = not leads_to_convolution.isdisjoint(node.output)
        if node.op_type == "Conv" and leads and node.input[0] in computed and node.input[1] in constants:
            weight = constants[node.input[1]]  # (out, in / groups, height, width)
            if weight.shape[1] * _attribute(node, "group", 1) > _FEW_CHANNELS:
                inner.append(node)
        if leads or node.op_type == "Conv":
            leads_to_convolution.update(node.input)
    return inner[::-1]


def _copied(node: NodeProto, constants: Constants) -> tuple[str, ...]:
    """The inputs whose values the node's output holds unchanged; none for an operator that computes new ones."""
    if node.op_type == "Concat":
        return tuple(node.input)
    moves = (
        node.op_type == "MaxPool"
        or (node.op_type == "Resize" and _attribute(node, "mode", b"nearest") == b"nearest")
        or (node.op_type == "Pad" and _pads_with_zeros(node, constants))
    )
    return (node.input[0],) if moves else ()


def _pads_with_zeros(node: NodeProto, constants: Constants) -> bool:
    value = node.input[2] if len(node.input) > 2 else ""
    zero = not value or (value in constants and not constants[value].any())
    return zero and _attribute(node, "mode", b"constant") == b"constant"


def _attribute(node: NodeProto, name: str, default: Any) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)
