"""Cross-layer equalisation: the channels of a tensor get similar sizes, and the float result stays the same.

All channels of a tensor have one scale, so a channel that is a thousand times smaller than another has no levels left.
Dividing a channel by a positive factor where it is computed, and multiplying the weights that read it by the same
factor, changes nothing in float: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction", ICCV 2019, section 4.1. There both sides are weights. Here each filter's weights have their own scale, so
the channel's activations are balanced with the weights that read them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from edgeunet.quantisation.graph import CONVOLUTIONS
from edgeunet_export.graph.float_model import FloatModel, attribute, copied_inputs
from edgeunet_export.int8.repair.trials import Trials

_SOURCES = (*CONVOLUTIONS, "BatchNormalization")
_ACTIVATIONS = ("Relu", "LeakyRelu", "PRelu")
# A positive factor for a channel passes through these: f(s x) = s f(x), channel by channel.
_PASSES = (*_ACTIVATIONS, "MaxPool", "AveragePool", "GlobalAveragePool", "Identity")
_INTERPOLATIONS = (b"nearest", b"linear", b"cubic")
_LARGEST = 2.0**15
"""The largest factor: scaled weights and activations must stay far inside float32."""

Floats = NDArray[np.float64]


class _ReadingConvolution(NamedTuple):
    """A convolution that reads a source's channels, from `offset` on in its input."""

    node: NodeProto
    offset: int


class _ScalableNode(NamedTuple):
    """A node whose channels can be scaled, the output of its activation, and all convolutions that read that."""

    node: NodeProto
    tensor: str
    readers: tuple[_ReadingConvolution, ...]


def equalised(model: FloatModel, trials: Trials) -> FloatModel:
    """A copy with balanced channels in every tensor whose readers are all convolutions.

    The factor of a channel is sqrt(a / w): a is its largest |x| in a frame, averaged over the frames of the
    trials; w its largest weight in what reads it, relative to the largest weight of the same filter. Rounded to a
    power of two, so that the float result stays the same to the bit.
    """
    graph = _Channels(model)
    sources = list(graph.sources())
    peaks = _channel_peaks(model.proto, trials, [source.tensor for source in sources])
    # All factors first, from the unchanged weights: one filter may read two of the tensors.
    factors = [_factors(peaks[source.tensor], graph.importance(source)) for source in sources]
    for source, of_channels in zip(sources, factors, strict=True):
        graph.scale(source, of_channels)
    return model.with_weights(graph.written())


class _Channels:
    """The channels of a model, whose weights change."""

    def __init__(self, model: FloatModel) -> None:
        self._model = ModelProto()
        self._model.CopyFrom(model.proto)
        graph = self._model.graph
        self._constants = dict(model.constants)
        self._uses = Counter(name for node in graph.node for name in node.input)
        self._consumers: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for tensor in dict.fromkeys(node.input):
                self._consumers.setdefault(tensor, []).append(node)
        self._results = {value.name for value in graph.output} | model.held
        shapes = model.shapes.items()
        self._channels = {name: shape[1] for name, shape in shapes if len(shape) == 4 and shape[1]}  # of (N, C, H, W)

    def sources(self) -> Iterator[_ScalableNode]:
        for node in self._model.graph.node:
            if node.op_type not in _SOURCES or not self._own(node, "weights"):
                continue
            if node.op_type == "ConvTranspose" and attribute(node, "group", 1) != 1:
                continue
            readers = self._readers(node.output[0])
            if readers and any(reader.node.op_type == "Conv" for reader in readers):
                yield _ScalableNode(node, self._activated(node.output[0]), tuple(readers))

    def scale(self, source: _ScalableNode, factors: Floats) -> None:
        """Divide the source's channels by factors (C,) and multiply the weights that read them."""
        node = source.node
        # Weights and bias, or scale and shift: the channels come first, but for ConvTranspose (in, out, height, width).
        axes = (1 if node.op_type == "ConvTranspose" else 0, 0)
        for name, axis in zip(node.input[1:3], axes, strict=False):
            if name:
                value = self._constants[name]
                shape = [-1 if index == axis else 1 for index in range(value.ndim)]
                self._constants[name] = (value / factors.reshape(shape)).astype(np.float32)
        for reader in source.readers:
            name = reader.node.input[1]
            blocks = _by_input_channel(reader.node, self._constants[name])
            every = np.ones(blocks.shape[0] * blocks.shape[2])
            every[reader.offset : reader.offset + len(factors)] = factors
            value = blocks * every.reshape(blocks.shape[0], 1, blocks.shape[2], 1)
            self._constants[name] = value.reshape(self._constants[name].shape).astype(np.float32)

    def importance(self, source: _ScalableNode) -> Floats:
        """The largest weight (C,) that reads each channel, relative to the largest one of the same filter."""
        found: list[Floats] = []
        for reader in source.readers:
            if reader.node.op_type == "Conv":
                blocks = np.abs(_by_input_channel(reader.node, self._constants[reader.node.input[1]])).max(axis=3)
                largest = blocks.max(axis=2, keepdims=True)
                relative = np.divide(blocks, largest, out=np.zeros(blocks.shape), where=largest > 0)
                channels = relative.max(axis=1).ravel()
                found.append(channels[reader.offset : reader.offset + self._channels[source.node.output[0]]])
        return np.asarray(np.max(found, axis=0), dtype=np.float64)

    def written(self) -> ModelProto:
        for tensor in self._model.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(self._constants[tensor.name], tensor.name))
        return self._model

    def _readers(self, tensor: str) -> list[_ReadingConvolution] | None:
        """All convolutions that read a tensor's channels, or None if another operator may read them."""
        if tensor in self._results or tensor not in self._channels:
            return None
        found: list[_ReadingConvolution] = []
        for node in self._consumers.get(tensor, []):
            below: list[_ReadingConvolution] | None = None
            if node.op_type in CONVOLUTIONS and node.input[0] == tensor and self._own(node, "readers"):
                below = [_ReadingConvolution(node, 0)]
            elif node.op_type == "Concat" and attribute(node, "axis", 1) == 1:
                below = self._concatenated(tensor, node)
            elif len(node.output) == 1 and node.input[0] == tensor and self._passes(node):
                below = self._readers(node.output[0])
            if below is None:
                return None
            found += below
        return found

    def _concatenated(self, tensor: str, node: NodeProto) -> list[_ReadingConvolution] | None:
        after = self._readers(node.output[0])
        if after is None or not all(name in self._channels for name in node.input):
            return None
        starts = [0, *np.cumsum([self._channels[name] for name in node.input])]
        places = [int(start) for start, name in zip(starts, node.input, strict=False) if name == tensor]
        return [_ReadingConvolution(reader.node, reader.offset + start) for reader in after for start in places]

    def _passes(self, node: NodeProto) -> bool:
        if node.op_type == "Resize":
            return attribute(node, "mode", b"nearest") in _INTERPOLATIONS
        return node.op_type in _PASSES or (node.op_type == "Pad" and bool(copied_inputs(node, self._constants)))

    def _own(self, node: NodeProto, role: str) -> bool:
        """Whether the constants of a node that would be scaled are stored in the file and used by no other node."""
        names = node.input[1:3] if role == "weights" else node.input[1:2]
        return all(name in self._constants and self._uses[name] == 1 for name in names if name)

    def _activated(self, tensor: str) -> str:
        """The output of a source's activation, if nothing else reads the source; else the tensor itself."""
        consumers = self._consumers[tensor]
        only = consumers[0] if len(consumers) == 1 else None
        return only.output[0] if only is not None and only.op_type in _ACTIVATIONS else tensor


def _factors(peaks: Floats, importance: Floats) -> Floats:
    alive = (peaks > 0) & (importance > 0)
    factors = np.sqrt(np.divide(peaks, importance, out=np.ones(peaks.shape), where=alive))
    return np.asarray(np.exp2(np.rint(np.log2(np.clip(factors, 1 / _LARGEST, _LARGEST)))), dtype=np.float64)


def _channel_peaks(model: ModelProto, trials: Trials, tensors: list[str]) -> Mapping[str, Floats]:
    totals = dict.fromkeys(tensors, np.zeros(()))
    for values in trials.observed(model, tensors):
        for tensor, value in values.items():
            totals[tensor] = totals[tensor] + np.abs(value).max(axis=(0, 2, 3))
    return {tensor: total / len(trials.frames) for tensor, total in totals.items()}


def _by_input_channel(node: NodeProto, weight: NDArray[Any]) -> NDArray[Any]:
    """Weights as (groups, filters of a group, channels of a group, kernel): groups times channels are the input's."""
    if node.op_type == "ConvTranspose":  # stored as (in, out / groups, height, width)
        return weight.reshape(1, 1, weight.shape[0], -1)
    groups = attribute(node, "group", 1)  # stored as (out, in / groups, height, width)
    return weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
