"""TensorRT's rules for a graph, above all for Q/DQ pairs, checked without TensorRT.

If a graph breaks one, NVIDIA's parser refuses it, or the engine is slower: one more requantisation, one fusion less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from edgeunet.quantisation.graph import ACTIVATIONS, CONVOLUTIONS, LINEAR
from edgeunet_export.graph.float_model import attribute, copied_inputs, output_axis
from edgeunet_export.graph.types import FLOATS, element_types, opset, type_name, type_variables

_PAIR = ("QuantizeLinear", "DequantizeLinear")


def lint(model: ModelProto) -> list[str]:
    """One line, which begins with the node's name, for each broken rule; none for a model that TensorRT accepts."""
    graph = _Connections(model)
    return [finding for node in model.graph.node for rule in _RULES for finding in rule(node, graph)]


class _Connections:
    """The node that computes each tensor, and those that read it."""

    def __init__(self, model: ModelProto) -> None:
        self.opset = opset(model)
        self.types = element_types(model)
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.producer = {output: node for node in model.graph.node for output in node.output}
        self.readers: dict[str, list[NodeProto]] = {}
        for node in model.graph.node:
            for tensor in node.input:
                self.readers.setdefault(tensor, []).append(node)

    def made_by(self, tensor: str, op: str) -> bool:
        return tensor in self.producer and self.producer[tensor].op_type == op

    def behind_pairs(self, tensor: str) -> Iterator[NodeProto]:
        """The nodes that read a tensor or its dequantised version."""
        for reader in self.readers.get(tensor, ()):
            if reader.op_type in _PAIR:
                yield from self.behind_pairs(reader.output[0])
            else:
                yield reader

    def scale(self, node: NodeProto) -> NDArray[Any] | None:
        """The scale of a Q or DQ node; none if it is computed."""
        return self.constants.get(node.input[1])

    def quantised_weights(self, node: NodeProto) -> bool:
        if node.op_type not in (*CONVOLUTIONS, *LINEAR) or not self.made_by(node.input[1], "DequantizeLinear"):
            return False
        return self.before_pairs(node.input[1]) in self.constants

    def leads_to_int8(self, tensor: str) -> bool:
        """Whether a convolution with quantised weights reads the tensor or adds it, directly or after moves."""
        return any(
            self.quantised_weights(reader)
            or bool(self.sums(reader))
            or (self.moves(reader) and self.leads_to_int8(reader.output[0]))
            for reader in self.behind_pairs(tensor)
        )

    def sums(self, node: NodeProto) -> list[str]:
        """The results of convolutions with quantised weights that only an Add reads, directly or after a Q/DQ pair."""
        results = [self.before_pairs(tensor) for tensor in node.input if node.op_type == "Add"]
        convolved = [t for t in results if t in self.producer and self.producer[t].op_type in CONVOLUTIONS]
        made = [t for t in convolved if self.quantised_weights(self.producer[t])]
        return [tensor for tensor in made if all(reader is node for reader in self.behind_pairs(tensor))]

    def before_pairs(self, tensor: str) -> str:
        """The tensor that a dequantised one was made from; any other tensor itself."""
        while tensor in self.producer and self.producer[tensor].op_type in _PAIR:
            tensor = self.producer[tensor].input[0]
        return tensor

    def moves(self, node: NodeProto) -> bool:
        """Whether a node only moves values, so that its input and output need one scale."""
        return bool(copied_inputs(node, self.constants))


def _zero_point(node: NodeProto, graph: _Connections) -> Iterator[str]:
    if node.op_type not in _PAIR:
        return
    source, target = graph.types.get(node.input[0]), graph.types.get(node.output[0])
    integer = target if node.op_type == "QuantizeLinear" else source
    if integer == TensorProto.INT32:
        yield f"{node.name}: an int32 bias is dequantised, TensorRT wants biases in float"
    elif integer != TensorProto.INT8:
        yield f"{node.name}: the quantised type is {type_name(integer or 0)}, TensorRT wants INT8"
    if len(node.input) > 2 and (zero := graph.constants.get(node.input[2])) is not None and zero.any():
        yield f"{node.name}: the zero point is {zero.ravel()[0]}, TensorRT wants 0"


def _scale(node: NodeProto, graph: _Connections) -> Iterator[str]:
    if node.op_type not in _PAIR or (scale := graph.scale(node)) is None:
        return
    if not (scale > 0).all() or not np.isfinite(scale).all():
        yield f"{node.name}: a scale is not a positive number"
    if scale.dtype == np.float16 and graph.opset < 19:
        yield f"{node.name}: the scale is float16 in opset {graph.opset}, that needs opset 19"
    if scale.ndim and not _of_weights(node, graph):
        yield f"{node.name}: an activation has {scale.size} scales, TensorRT wants one"


def _of_weights(node: NodeProto, graph: _Connections) -> bool:
    """Whether a Q or DQ node works on a constant."""
    return graph.before_pairs(node.input[0]) in graph.constants


def _weights(node: NodeProto, graph: _Connections) -> Iterator[str]:
    if not graph.quantised_weights(node):
        return
    if not graph.made_by(node.input[0], "DequantizeLinear"):
        yield f"{node.name}: its weights are quantised and its input {node.input[0]} is not"
    pair = graph.producer[node.input[1]]
    scale = graph.scale(pair)
    axis = attribute(pair, "axis", 1)
    if scale is not None and scale.ndim and axis != output_axis(node):
        yield (
            f"{pair.name}: the scales lie along axis {axis} of the weights, "
            f"{node.op_type} wants axis {output_axis(node)}"
        )


def _activations(node: NodeProto, graph: _Connections) -> Iterator[str]:
    if node.op_type != "QuantizeLinear" or _of_weights(node, graph):
        return
    tensor = node.input[0]
    source = graph.producer[tensor].op_type if tensor in graph.producer else ""
    activated = [reader.op_type for reader in graph.behind_pairs(tensor) if reader.op_type in ACTIVATIONS]
    if source in CONVOLUTIONS and activated:
        yield f"{node.name}: a pair separates {source} and {activated[0]}, which TensorRT fuses"
    elif not graph.leads_to_int8(tensor):
        yield f"{node.name}: {tensor} is quantised, but leads to no quantised convolution"


def _addition(node: NodeProto, graph: _Connections) -> Iterator[str]:
    """TensorRT computes an addition as one with a convolution: the convolution's result plus a quantised tensor."""
    sums = graph.sums(node)
    directly = [tensor for tensor in node.input if tensor in sums]
    if sums and not directly:
        yield f"{node.name}: a pair separates Conv and Add, which TensorRT fuses"
    for tensor in node.input if sums else ():
        if tensor not in (*directly[-1:], *graph.constants) and not graph.made_by(tensor, "DequantizeLinear"):
            yield f"{node.name}: {tensor} is added to an INT8 convolution in float, TensorRT wants it quantised"


def _one_scale(node: NodeProto, graph: _Connections) -> Iterator[str]:
    moved = copied_inputs(node, graph.constants)
    pairs = [graph.producer[t] if graph.made_by(t, "DequantizeLinear") else None for t in moved]
    after = [reader for reader in graph.readers.get(node.output[0], ()) if reader.op_type == "QuantizeLinear"]
    pairs += after or [None]
    if not moved or not any(pairs):
        return
    scales = [None if pair is None else graph.scale(pair) for pair in pairs]
    first = scales[0]
    if first is None or any(scale is None or not np.array_equal(scale, first) for scale in scales):
        found = ", ".join("float" if scale is None else f"{float(scale.ravel()[0]):.4g}" for scale in scales)
        yield f"{node.name}: inputs and output of {node.op_type} have the scales {found}, TensorRT wants one scale"


def _uint8(node: NodeProto, graph: _Connections) -> Iterator[str]:
    if node.op_type not in ("Cast", *_PAIR) and any(graph.types.get(t) == TensorProto.UINT8 for t in node.input):
        yield f"{node.name}: {node.op_type} reads uint8, TensorRT wants a Cast first"


def _one_float(node: NodeProto, graph: _Connections) -> Iterator[str]:
    inputs, _ = type_variables(node, graph.opset)
    found: dict[str, set[int]] = {}
    for tensor, variable in zip(node.input, inputs, strict=True):
        if variable and graph.types.get(tensor) in FLOATS:
            found.setdefault(variable, set()).add(graph.types[tensor])
    for types in found.values():
        if len(types) > 1:
            yield f"{node.name}: {node.op_type} mixes {' and '.join(type_name(t) for t in sorted(types))}"


_RULES: tuple[Callable[[NodeProto, _Connections], Iterator[str]], ...] = (
    _zero_point,
    _scale,
    _weights,
    _activations,
    _addition,
    _one_scale,
    _uint8,
    _one_float,
)
