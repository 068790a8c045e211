"""Q/DQ pairs written into a float32 model, as the target of its placement wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgeunet.quantisation.clipping import TOP, scale_of
from edgeunet.quantisation.placement import Placement
from edgeunet.quantisation.qparams import qparams_of, rounded_up
from edgeunet.quantisation.ranges_file import ValueRange
from edgeunet.quantisation.value_ranges import union
from edgeunet_export.graph.float_model import MEAN, STD, FloatModel, output_axis

_ZERO_POINT = "zero_point"  # 0, the zero point of most tensors
_BIAS_LIMIT = 2.0**30  # of an int32 bias: half the range of int32 is left for the sum that is added to it


def quantized(
    model: FloatModel,
    placement: Placement,
    ranges: Mapping[str, ValueRange],
    scale_type: type[np.floating[Any]] = np.float32,
) -> ModelProto:
    """A copy of a float model with explicit quantisation.

    ranges: of the tensors of every group, in their own unit, see value_ranges.value_ranges.
    scale_type: a type that holds all scales exactly; they are float32 here.

    Activations: per tensor, one scale for each group, Q → DQ after the tensor is computed. Only the readers of the
    placement read the dequantised version; of its outputs, every node does. Weights: int8 with a scale for each output
    channel → DQ.
    """
    return _Writer(model, placement, ranges, scale_type).written()


class _Writer:
    """Writes one model."""

    def __init__(
        self,
        model: FloatModel,
        placement: Placement,
        ranges: Mapping[str, ValueRange],
        scale_type: type[np.floating[Any]],
    ) -> None:
        self._model = ModelProto()
        self._model.CopyFrom(model.proto)
        self._placement = placement
        self._scale_type = scale_type
        self._stored = model.constants
        self._group = {tensor: group for group in placement.groups for tensor in group}
        self._qparams = {
            group: qparams_of(union(ranges[tensor] for tensor in group), placement.target, scale_type)
            for group in placement.groups
        }
        self._weight_scales: dict[str, NDArray[np.float32]] = {}  # by the weights' name
        self._constants: list[TensorProto] = []
        self._nodes: list[NodeProto] = []

    def written(self) -> ModelProto:
        self._store(_ZERO_POINT, np.array(0, np.uint8 if self._placement.target.unsigned else np.int8))
        for group, qparams in self._qparams.items():
            self._store(f"{group[0]}.scale", qparams.scale)
            if qparams.zero_point:
                self._store(f"{group[0]}.zero_point", qparams.zero_point)
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
        if self._placement.target.rows:
            self._store_rows()
        constants = [tensor for tensor in (*graph.initializer, *self._constants) if tensor.name in read]
        graph.CopyFrom(helper.make_graph(self._nodes, graph.name, graph.input, graph.output, constants))
        return self._model

    def _store_rows(self) -> None:
        """Repeat [1, C, 1, 1], what is taken off the frame's channels or divides them, to [1, C, 1, W]."""
        width = self._model.graph.input[0].type.tensor_type.shape.dim[2].dim_value
        for tensor in self._model.graph.initializer:
            if tensor.name in (MEAN, STD):
                tensor.CopyFrom(numpy_helper.from_array(self._stored[tensor.name].repeat(width, axis=3), tensor.name))

    def _convolution(self, node: NodeProto) -> None:
        source, weight, bias = node.input[0], node.input[1], node.input[2] if len(node.input) > 2 else ""
        scale = self._qparams[self._group[source]].scale
        integer_bias = self._placement.target.integer_biases and bias in self._stored
        if weight not in self._weight_scales:
            # Weights near zero would make the scales so small that the bias no longer fits.
            least = np.abs(self._stored[bias]) / (_BIAS_LIMIT * scale) if integer_bias else np.float32(0)
            self._weight(weight, least, output_axis(node))
        if integer_bias:
            scales = scale * self._weight_scales[weight]
            integers = np.rint(self._stored[bias].astype(np.float64) / scales).astype(np.int32)
            node.input[2] = self._constant(f"{node.output[0]}.bias", integers, scales)
        node.input[0], node.input[1] = _dequantized(source), _dequantized(weight)

    def _weight(self, name: str, least: Any, axis: int) -> None:
        """Float32 weights as int8, with a scale of at least `least` for each output channel, which lie along `axis`."""
        value = self._stored[name].astype(np.float32)
        others = tuple(index for index in range(value.ndim) if index != axis)
        exact = np.array([scale_of(float(limit)) for limit in np.abs(value).max(axis=others)])
        scales = self._weight_scales[name] = rounded_up(np.maximum(exact, least), self._scale_type)
        # The range is symmetric: -128 is not used.
        integers = np.clip(np.rint(value / np.expand_dims(scales, others)), -TOP, TOP).astype(np.int8)
        self._constant(name, integers, scales, axis)

    def _constant(self, name: str, integers: NDArray[Any], scales: NDArray[np.float32], axis: int = 0) -> str:
        """Store integers with a scale for each output channel, along `axis` → DQ; returns the name of the result."""
        parts = [f"{name}.{integers.dtype}", f"{name}.scale", f"{name}.zero_point"]
        self._store(parts[0], integers)
        self._store(parts[1], scales)
        self._store(parts[2], np.zeros(len(scales), integers.dtype))
        self._nodes.append(_dequantize(name, parts, axis=axis))
        return _dequantized(name)

    def _pair(self, tensor: str) -> None:
        first = self._group[tensor][0]
        zero_point = self._qparams[self._group[tensor]].zero_point
        qparams = [f"{first}.scale", f"{first}.zero_point" if zero_point else _ZERO_POINT]
        integers = f"{tensor}.{zero_point.dtype}"
        self._nodes.append(helper.make_node("QuantizeLinear", [tensor, *qparams], [integers], f"{tensor}.quantize"))
        self._nodes.append(_dequantize(tensor, [integers, *qparams]))

    def _store(self, name: str, value: NDArray[Any]) -> None:
        self._constants.append(numpy_helper.from_array(value, name))


def _dequantize(name: str, inputs: list[str], **attributes: Any) -> NodeProto:
    return helper.make_node("DequantizeLinear", inputs, [_dequantized(name)], f"{name}.dequantize", **attributes)


def _dequantized(tensor: str) -> str:
    return f"{tensor}.dequantized"
