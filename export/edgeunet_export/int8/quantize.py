"""Q/DQ pairs written into a float32 model, in the dialect of its placement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgeunet.quantisation.calibration import TOP, scale
from edgeunet.quantisation.placement import Placement
from edgeunet.quantisation.qparams import grid_of, rounded_up
from edgeunet.quantisation.ranges_file import Span
from edgeunet.quantisation.value_ranges import union

_ZERO_POINT = "zero_point"  # 0, which most tensors have
_BIAS_LIMIT = 2.0**30  # in steps: the sum that is added to it must not leave int32 either


def quantized(
    model: ModelProto,
    placement: Placement,
    spans: Mapping[str, Span],
    scale_type: type[np.floating[Any]] = np.float32,
) -> ModelProto:
    """A copy of a float model with explicit quantisation.

    spans: of the tensors of every group, in their own unit, see rangefile.spans.
    scale_type: what the scales, float32 here, can be turned into without a change.

    Activations: per tensor, one scale for each group, Q → DQ after the tensor is computed. Only the nodes
    of the placement read the dequantised version, unless the dialect has no other. Weights: int8 with a scale
    for each output channel → DQ.
    """
    return _Writer(model, placement, spans, scale_type).written()


class _Writer:
    """One graph on its way."""

    def __init__(
        self,
        model: ModelProto,
        placement: Placement,
        spans: Mapping[str, Span],
        scale_type: type[np.floating[Any]],
    ) -> None:
        self._model = ModelProto()
        self._model.CopyFrom(model)
        self._placement = placement
        self._scale_type = scale_type
        self._stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self._group = {tensor: group for group in placement.groups for tensor in group}
        self._grids = {
            group: grid_of(union(spans[tensor] for tensor in group), placement.dialect, scale_type)
            for group in placement.groups
        }
        self._steps: dict[str, NDArray[np.float32]] = {}  # of the weights, by their name
        self._constants: list[TensorProto] = []
        self._nodes: list[NodeProto] = []

    def written(self) -> ModelProto:
        self._store(_ZERO_POINT, np.array(0, np.uint8 if self._placement.dialect.unsigned else np.int8))
        for group, grid in self._grids.items():
            self._store(f"{group[0]}.scale", grid.step)
            if grid.zero_point:
                self._store(f"{group[0]}.zero_point", grid.zero_point)
        graph = self._model.graph
        for node in graph.node:
            if node.output[0] in self._placement.convolutions:
                self._convolution(node)
            reads = node.output[0] in self._placement.readers
            for index, tensor in enumerate(node.input):
                if tensor in (self._group if reads else self._placement.outputs):
                    node.input[index] = _dequantized(tensor)
            self._nodes.append(node)
            for tensor in node.output:
                if tensor in self._group:
                    self._pair(tensor)
        read = {name for node in self._nodes for name in node.input}
        constants = [tensor for tensor in (*graph.initializer, *self._constants) if tensor.name in read]
        graph.CopyFrom(helper.make_graph(self._nodes, graph.name, graph.input, graph.output, constants))
        return self._model

    def _convolution(self, node: NodeProto) -> None:
        source, weight, bias = node.input[0], node.input[1], node.input[2] if len(node.input) > 2 else ""
        step = self._grids[self._group[source]].step
        integer_bias = self._placement.dialect.integer_biases and bias in self._stored
        if weight not in self._steps:
            # Weights near zero would make the steps so small that the bias no longer fits.
            least = np.abs(self._stored[bias]) / (_BIAS_LIMIT * step) if integer_bias else np.float32(0)
            self._weight(weight, least)
        if integer_bias:
            steps = step * self._steps[weight]
            integers = np.rint(self._stored[bias].astype(np.float64) / steps).astype(np.int32)
            node.input[2] = self._constant(f"{node.output[0]}.bias", integers, steps)
        node.input[0], node.input[1] = _dequantized(source), _dequantized(weight)

    def _weight(self, name: str, least: Any) -> None:
        """Weights (out, in, height, width) float32 as int8, with a step of at least `least` for each output channel."""
        value = self._stored[name].astype(np.float32)
        exact = np.array([scale(float(limit)) for limit in np.abs(value).max(axis=(1, 2, 3))])
        steps = self._steps[name] = rounded_up(np.maximum(exact, least), self._scale_type)
        # -128 stays unused: a symmetric range.
        integers = np.clip(np.rint(value / steps[:, None, None, None]), -TOP, TOP).astype(np.int8)
        self._constant(name, integers, steps)

    def _constant(self, name: str, integers: NDArray[Any], steps: NDArray[np.float32]) -> str:
        """Store integers (out, …) with a step for each output channel → DQ; gives the name of the result."""
        parts = [f"{name}.{integers.dtype}", f"{name}.scale", f"{name}.zero_point"]
        self._store(parts[0], integers)
        self._store(parts[1], steps)
        self._store(parts[2], np.zeros(len(steps), integers.dtype))
        self._nodes.append(_dequantize(name, parts, axis=0))
        return _dequantized(name)

    def _pair(self, tensor: str) -> None:
        first = self._group[tensor][0]
        zero_point = self._grids[self._group[tensor]].zero_point
        grid = [f"{first}.scale", f"{first}.zero_point" if zero_point else _ZERO_POINT]
        integers = f"{tensor}.{zero_point.dtype}"
        self._nodes.append(helper.make_node("QuantizeLinear", [tensor, *grid], [integers], f"{tensor}.quantize"))
        self._nodes.append(_dequantize(tensor, [integers, *grid]))

    def _store(self, name: str, value: NDArray[Any]) -> None:
        self._constants.append(numpy_helper.from_array(value, name))


def _dequantize(name: str, inputs: list[str], **attributes: Any) -> NodeProto:
    return helper.make_node("DequantizeLinear", inputs, [_dequantized(name)], f"{name}.dequantize", **attributes)


def _dequantized(tensor: str) -> str:
    return f"{tensor}.dequantized"
