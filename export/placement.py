"""Where Q/DQ pairs go, and which tensors must share one scale.

Quantised is what enters a convolution, never what stands between a convolution and its ReLU, and not the network's
result. An operator that only moves values about (pooling, concatenation, nearest resize, zero padding) runs in
8 bits without requantising if its inputs and its output have one scale, so all of them form a group. Where the
dialect lets a concatenation share, a group in a U-Net is a skip, its pooled version, the upsampled path that meets
it, and their concatenation; otherwise the concatenation has a scale of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, helper, numpy_helper

from export.dialect import Dialect

_QUANTISED = {"Conv", "MaxPool", "Resize", "Pad", "Concat"}
_FLOAT = {"Cast", "Transpose", "Sub", "ConvTranspose", "Relu", "ArgMax", "Squeeze", "Greater"}
_FEW_CHANNELS = 4

Constants = Mapping[str, NDArray[np.generic]]
Group = tuple[str, ...]
"""Tensors that share one scale, each with a Q/DQ pair, in the graph's order."""


@dataclass(frozen=True)
class Placement:
    """What is quantised in one graph, for one dialect.

    convolutions, copies: the nodes that read quantised tensors, by their output's name.
    outputs: what quantised convolutions give, where the dialect has it in 8 bits only: every node reads it quantised.
    left_float: operators that the rules don't know, with their number; they stay in float.
    """

    dialect: Dialect
    groups: tuple[Group, ...]
    convolutions: frozenset[str]
    copies: frozenset[str]
    outputs: frozenset[str]
    left_float: Mapping[str, int]


def place(model: ModelProto, dialect: Dialect, floating: Collection[str] = ()) -> Placement:
    """Decide for a float model; nothing is changed.

    floating: outputs of nodes that must stay in float; they are not quantised.

    The last convolution stays in float, and so does the first (3 channels in) where the dialect leaves it: they
    cost little, and their error goes straight into the mask. So does ConvTranspose, for which TensorRT often
    lacks an INT8 kernel and ONNX Runtime always.
    """
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    computed = [output for node in graph.node for output in node.output]
    convolutions = [n for n in _convolutions(graph, constants, dialect) if n.output[0] not in floating]
    outputs = {_activated(node.output[0], graph) for node in convolutions} if dialect.outputs else set()
    quantised = {node.input[0] for node in convolutions} | outputs
    copies: dict[str, tuple[str, ...]] = {}
    for node in reversed(graph.node):  # ONNX keeps nodes in order of execution
        copied = copied_inputs(node, constants)
        if node.output[0] in quantised - set(floating) and copied and set(copied) <= set(computed):
            copies[node.output[0]] = copied
            quantised.update(copied)
    together = {tensor: {tensor} for tensor in quantised}
    for output, copied in copies.items():
        if dialect.shared or len(copied) == 1:
            merged = set().union(*(together[tensor] for tensor in (output, *copied)))
            together.update(dict.fromkeys(merged, merged))
    groups: dict[int, Group] = {}
    for tensor in computed:
        if tensor in together:
            groups[id(together[tensor])] = tuple(t for t in computed if t in together[tensor])
    unknown = Counter(node.op_type for node in graph.node if node.op_type not in _QUANTISED | _FLOAT)
    return Placement(
        dialect,
        tuple(groups.values()),
        frozenset(node.output[0] for node in convolutions),
        frozenset(copies),
        frozenset(outputs),
        unknown,
    )


def copied_inputs(node: NodeProto, constants: Constants) -> tuple[str, ...]:
    """The inputs whose values the node's output holds unchanged; none for an operator that computes new ones."""
    if node.op_type == "Concat":
        return tuple(node.input)
    moves = (
        node.op_type == "MaxPool"
        or (node.op_type == "Resize" and _attribute(node, "mode", b"nearest") == b"nearest")
        or (node.op_type == "Pad" and _pads_with_zeros(node, constants))
    )
    return (node.input[0],) if moves else ()


def _convolutions(graph: GraphProto, constants: Constants, dialect: Dialect) -> list[NodeProto]:
    """The Conv nodes with constant weights that are quantised: not the last, and the first only where it may be."""
    computed = {output for node in graph.node for output in node.output}
    inner: list[NodeProto] = []
    leads_to_convolution: set[str] = set()
    for node in reversed(graph.node):
        leads = not leads_to_convolution.isdisjoint(node.output)
        if node.op_type == "Conv" and leads and node.input[0] in computed and node.input[1] in constants:
            weight = constants[node.input[1]]  # (out, in / groups, height, width)
            if dialect.first or weight.shape[1] * _attribute(node, "group", 1) > _FEW_CHANNELS:
                inner.append(node)
        if leads or node.op_type == "Conv":
            leads_to_convolution.update(node.input)
    return inner[::-1]


def _activated(tensor: str, graph: GraphProto) -> str:
    """The tensor after its ReLU, if nothing else reads it: runtimes compute the two as one."""
    readers = [node for node in graph.node if tensor in node.input]
    return readers[0].output[0] if [node.op_type for node in readers] == ["Relu"] else tensor


def _pads_with_zeros(node: NodeProto, constants: Constants) -> bool:
    value = node.input[2] if len(node.input) > 2 else ""
    zero = not value or (value in constants and not constants[value].any())
    return zero and _attribute(node, "mode", b"constant") == b"constant"


def _attribute(node: NodeProto, name: str, default: Any) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)
