"""The two outputs that say how far to trust a mask, as nodes at the end of any model file of edgeunet.

confidence, uint8 [N, H, W]: the probability of each pixel's class in 255ths, of every second row and column, repeated.
familiarity, float32 [N]: the smaller of two scores, each 1 for the median of ordinary frames and 0 for the strangest
one in a hundred. One is the mean of the largest logits (Hendrycks et al., "Scaling Out-of-Distribution Detection for
Real-World Settings", ICML 2022, arXiv:1911.11132). The other falls with the Mahalanobis distance of the means of an
early map's channels (Lee et al., NeurIPS 2018, arXiv:1807.03888), here with a diagonal covariance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper

from edgeunet.errors import ModelFileError
from edgeunet.spec import ModelSpec
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.fragment import Fragment
from edgeunet_export.graph.reductions import axes_as_input
from edgeunet_export.graph.trust_nodes import CONFIDENCE, FAMILIARITY
from edgeunet_export.graph.types import opset

LEAST_SHARE = 1e-6
"""Of a class, where a network gives shares instead of logits: its logarithm is taken."""
_LIMITS = {"lowest": -80.0, "highest": 80.0}
_MOVES = ("Resize", "Slice", "Transpose", "Squeeze", "Identity")


@dataclass(frozen=True)
class DecidingScores:
    """The tensor that decides the class of a pixel.

    tensor: float [N, C, H, W]; the largest of C wins, or with one channel whether it is above `threshold`.
    channels: C.
    shares: whether it holds the result of a softmax.
    order: for each channel the index of its class; () if it is the same.
    """

    tensor: str
    channels: int
    threshold: float | None = None
    shares: bool = False
    order: tuple[int, ...] = ()

    @classmethod
    def of(cls, model: FloatModel) -> DecidingScores:
        """Raises ModelFileError for a network that decides the classes itself."""
        producer = {output: node for node in model.proto.graph.node for output in node.output}
        order = tuple(int(index) for index in model.constants.get("mask.order", ()))
        if index := producer.get("mask.index"):
            tensor = index.input[0]
            return cls(tensor, model.shapes[tensor][1], None, _is_softmax(tensor, producer), order)
        if positive := producer.get("mask.positive"):
            threshold = float(model.constants[positive.input[1]].ravel()[0])
            return cls(producer[positive.input[0]].input[0], 1, threshold, order=order)
        raise ModelFileError(
            "the network gives classes and no scores, so that nothing says how sure it is: leave out --confidence"
        )


def _is_softmax(tensor: str, producer: dict[str, NodeProto]) -> bool:
    while tensor in producer and producer[tensor].op_type in _MOVES:
        tensor = producer[tensor].input[0]
    return tensor in producer and producer[tensor].op_type == "Softmax"


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What the score is made with.

    feature_map: the tensor [N, C, h, w] whose means over the pixels are the features; "" for the logits alone.
    mean, scale: float [C]; the distance is the sum of squares of (features - mean) · scale.
    near: what the score is at distance 0. certain: (a, b), the other score is a · the mean of the largest logits + b.
    """

    feature_map: str
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    near: float
    certain: tuple[float, float]


def with_trust(model: FloatModel, spec: ModelSpec, temperature: float, familiarity: Familiarity) -> ModelProto:
    """A copy of a float model with both outputs."""
    proto = ModelProto()
    proto.CopyFrom(model.proto)
    graph = Fragment()
    largest = _confidence(graph, DecidingScores.of(model), temperature, spec.input_size, opset(proto))
    _familiarity(graph, largest, familiarity)
    batch: list[int | str] = [d.dim_param or d.dim_value for d in proto.graph.input[0].type.tensor_type.shape.dim][:1]
    proto.graph.node.extend(graph.nodes)
    proto.graph.initializer.extend(graph.initializers)
    proto.graph.output.extend(
        [
            helper.make_tensor_value_info(CONFIDENCE, TensorProto.UINT8, [*batch, *spec.input_size]),
            helper.make_tensor_value_info(FAMILIARITY, TensorProto.FLOAT, batch),
        ]
    )
    return proto


def _confidence(
    graph: Fragment, scores: DecidingScores, temperature: float, size: tuple[int, int], version: int
) -> str:
    """Add the output; returns the tensor of the largest logits of every second row and column, [N, 1, …]."""
    half = (size[0] + 1) // 2, (size[1] + 1) // 2
    # A pooling of single pixels: runtimes have it in any layout, which a slice with steps is not.
    logits = graph.add("MaxPool", "confidence.half", [scores.tensor], kernel_shape=[1, 1], strides=[2, 2])
    logits = graph.add("Cast", "confidence.scores", [logits], to=TensorProto.FLOAT)
    heat = graph.constant("confidence.temperature", np.array(1 / temperature, np.float32))
    top = graph.constant("confidence.top", np.array(255, np.float32))
    axis = graph.constant("confidence.axis", np.array([1], np.int64))
    if scores.threshold is not None:
        limit = graph.constant("confidence.threshold", np.array(scores.threshold, np.float32))
        largest = graph.add("Abs", "confidence.margin", [graph.add("Sub", "confidence.above", [logits, limit])])
        share = graph.add("Sigmoid", "confidence.share", [graph.add("Mul", "confidence.cooled", [largest, heat])])
    else:
        if scores.shares:
            least = graph.constant("confidence.least", np.array(LEAST_SHARE, np.float32))
            logits = graph.add("Log", "confidence.logs", [graph.add("Max", "confidence.shares", [logits, least])])
        # Whole planes of logits: OpenVINO searches them several times as fast as the channels of each pixel.
        planes = graph.constant("confidence.planes", np.array([0, scores.channels, half[0] * half[1]], np.int64))
        logits = graph.add("Reshape", "confidence.logits", [logits, planes])
        largest = graph.add("ReduceMax", "confidence.largest", [logits], axes=[1], keepdims=1)
        if version >= 18:
            axes_as_input(graph.nodes[-1], graph.initializers)
        # The largest one is not subtracted from all, which costs a pass; exp(80) and exp(-80) are far inside float32.
        limits = [graph.constant(f"confidence.{k}", np.array(v, np.float32)) for k, v in _LIMITS.items()]

        def odds(name: str, values: str) -> str:
            cooled = graph.add("Mul", f"confidence.cooled.{name}", [values, heat])
            return graph.add(
                "Exp", f"confidence.{name}", [graph.add("Clip", f"confidence.limited.{name}", [cooled, *limits])]
            )

        total = graph.add("ReduceSum", "confidence.sum", [odds("odds", logits), axis], keepdims=1)
        share = graph.add("Div", "confidence.share", [odds("best", largest), total])
    rounded = graph.add("Round", "confidence.round", [graph.add("Mul", "confidence.level", [share, top])])
    # Each value four times, with a gather and a copy of the rows: a nearest Resize of one channel takes OpenVINO twice
    # as long.
    rows = graph.constant("confidence.rows", np.array([0, half[0], 1, half[1]], np.int64))
    rounded = graph.add("Reshape", "confidence.halves", [rounded, rows])
    columns = graph.constant("confidence.columns", np.arange(size[1]) // 2)
    wide = graph.add("Gather", "confidence.wide", [rounded, columns], axis=3)
    twice = graph.add("Concat", "confidence.twice", [wide, wide], axis=2)
    whole = graph.constant("confidence.size", np.array([0, 2 * half[0], size[1]], np.int64))
    plane = graph.add("Reshape", "confidence.plane", [twice, whole])
    if size[0] % 2:
        bounds = {"starts": 0, "ends": size[0], "axes": 1}
        parts = [graph.constant(f"confidence.{name}", np.array([value], np.int64)) for name, value in bounds.items()]
        plane = graph.add("Slice", "confidence.cut", [plane, *parts])
    graph.add("Cast", CONFIDENCE, [plane], to=TensorProto.UINT8)  # from float32, as TensorRT wants it
    return largest


def _familiarity(graph: Fragment, largest: str, familiarity: Familiarity) -> None:
    """Add the output. largest: the tensor of the largest logits, [N, 1, …]."""

    def number(name: str, value: float) -> str:
        return graph.constant(f"familiarity.{name}", np.array(value, np.float32))

    def pooled(name: str, tensor: str) -> str:
        return graph.add("GlobalAveragePool", f"familiarity.{name}", [tensor])

    axis = graph.constant("familiarity.axis", np.array([1], np.int64))
    line = graph.constant("familiarity.line", np.array([0, 1, -1, 1], np.int64))
    mean = pooled("pooled", graph.add("Reshape", "familiarity.logits", [largest, line]))
    mean = graph.add("Flatten", "familiarity.logit", [mean])
    slope, offset = familiarity.certain
    score = graph.add("Mul", "familiarity.slope", [mean, number("a", slope)])
    score = graph.add("Add", "familiarity.certain", [score, number("b", offset)])
    if familiarity.feature_map:
        features = graph.add("Cast", "familiarity.map", [familiarity.feature_map], to=TensorProto.FLOAT)
        features = graph.add("Flatten", "familiarity.features", [pooled("means", features)])
        centre = graph.constant("familiarity.mean", familiarity.mean.astype(np.float32)[None])
        centred = graph.add("Sub", "familiarity.centred", [features, centre])
        scale = graph.constant("familiarity.scale", familiarity.scale.astype(np.float32)[None])
        scaled = graph.add("Mul", "familiarity.scaled", [centred, scale])
        squares = graph.add("Mul", "familiarity.squares", [scaled, scaled])
        distance = graph.add("ReduceSum", "familiarity.distance", [squares, axis], keepdims=1)
        near = graph.add("Sub", "familiarity.near", [number("c", familiarity.near), distance])
        score = graph.add("Min", "familiarity.score", [score, near])
    graph.add("Squeeze", FAMILIARITY, [score, axis])
