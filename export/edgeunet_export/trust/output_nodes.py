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
from edgeunet_export.graph.float_model import FloatModel, attribute
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
    graph, scores = Fragment(), DecidingScores.of(model)
    half = (spec.input_size[0] + 1) // 2, (spec.input_size[1] + 1) // 2
    logits = _half(graph, model, scores)
    if scores.threshold is None:
        largest, share = _of_several(graph, logits, scores, temperature, half[0] * half[1], opset(proto))
    else:
        largest, share = _of_one(graph, logits, scores.threshold, temperature)
    _confidence(graph, share, half, spec.input_size)
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


def _half(graph: Fragment, model: FloatModel, scores: DecidingScores) -> str:
    """Add the scores of every second row and column, float32 [N, C, h, w]."""
    producer = {output: node for node in model.proto.graph.node for output in node.output}
    last = producer.get(scores.tensor)
    while last is not None and _cuts_the_end(last, model):  # of an odd size, halved and doubled
        last = producer.get(last.input[0])
    if last is not None and _doubles(last, model):
        # Its upper left weight alone makes them, from a quarter of the pixels.
        source = graph.add("Cast", "confidence.source", [last.input[0]], to=TensorProto.FLOAT)
        corner = model.constants[last.input[1]][:, :, :1, :1].transpose(1, 0, 2, 3)
        parts = [source, graph.constant("confidence.weight", np.ascontiguousarray(corner))]
        if len(last.input) > 2:
            parts.append(graph.constant("confidence.bias", model.constants[last.input[2]]))
        return graph.add("Conv", "confidence.scores", parts)
    # A pooling of single pixels: runtimes have it in any layout, which a slice with steps is not.
    half = graph.add("MaxPool", "confidence.half", [scores.tensor], kernel_shape=[1, 1], strides=[2, 2])
    return graph.add("Cast", "confidence.scores", [half], to=TensorProto.FLOAT)


def _cuts_the_end(node: NodeProto, model: FloatModel) -> bool:
    """Whether a node leaves out rows and columns at the bottom and at the right, and nothing else."""
    if node.op_type != "Slice" or len(node.input) != 4 or not all(name in model.constants for name in node.input[1:]):
        return False
    starts, _, axes = (model.constants[name] for name in node.input[1:])
    return not starts.any() and {2, 3}.issuperset(axes.ravel().tolist())


def _doubles(node: NodeProto, model: FloatModel) -> bool:
    """Whether a node is a transposed convolution of 2×2 weights and stride 2, as the compact networks end with."""
    if node.op_type != "ConvTranspose" or not all(name in model.constants for name in node.input[1:]):
        return False
    plain = attribute(node, "group", 1) == 1 and not any(attribute(node, "pads", []))
    return bool(
        plain and attribute(node, "strides", []) == [2, 2] and model.constants[node.input[1]].shape[2:] == (2, 2)
    )


def _of_one(graph: Fragment, logits: str, threshold: float, temperature: float) -> tuple[str, str]:
    """Add the distance of one logit from its threshold and the probability of its class, both [N, 1, h, w]."""
    limit = graph.constant("confidence.threshold", np.array(threshold, np.float32))
    heat = graph.constant("confidence.temperature", np.array(1 / temperature, np.float32))
    margin = graph.add("Abs", "confidence.margin", [graph.add("Sub", "confidence.above", [logits, limit])])
    return margin, graph.add("Sigmoid", "confidence.share", [graph.add("Mul", "confidence.cooled", [margin, heat])])


def _of_several(
    graph: Fragment, logits: str, scores: DecidingScores, temperature: float, pixels: int, version: int
) -> tuple[str, str]:
    """Add the largest logit and the probability of its class, both [N, 1, pixels]."""
    heat = graph.constant("confidence.temperature", np.array(1 / temperature, np.float32))
    axis = graph.constant("confidence.axis", np.array([1], np.int64))
    if scores.shares:
        least = graph.constant("confidence.least", np.array(LEAST_SHARE, np.float32))
        logits = graph.add("Log", "confidence.logs", [graph.add("Max", "confidence.shares", [logits, least])])
    # Whole planes of logits: OpenVINO searches them several times as fast as the channels of each pixel.
    planes = graph.constant("confidence.planes", np.array([0, scores.channels, pixels], np.int64))
    logits = graph.add("Reshape", "confidence.logits", [logits, planes])
    largest = graph.add("ReduceMax", "confidence.largest", [logits], axes=[1], keepdims=1)
    if version >= 18:
        axes_as_input(graph.nodes[-1], graph.initializers)
    # The largest one is not subtracted from all, which costs a pass; exp(80) and exp(-80) are far inside float32.
    limits = [graph.constant(f"confidence.{k}", np.array(v, np.float32)) for k, v in _LIMITS.items()]

    def odds(name: str, values: str) -> str:
        cooled = graph.add("Mul", f"confidence.cooled.{name}", [values, heat])
        return graph.add("Exp", f"confidence.{name}", [graph.add("Clip", f"confidence.kept.{name}", [cooled, *limits])])

    total = graph.add("ReduceSum", "confidence.sum", [odds("odds", logits), axis], keepdims=1)
    return largest, graph.add("Div", "confidence.share", [odds("best", largest), total])


def _confidence(graph: Fragment, share: str, half: tuple[int, int], size: tuple[int, int]) -> None:
    """Add the output. share: the tensor of probabilities of every second row and column."""

    def shaped(name: str, tensor: str, *shape: int) -> str:
        wanted = graph.constant(f"confidence.{name}.shape", np.array([0, *shape], np.int64))
        return graph.add("Reshape", f"confidence.{name}", [tensor, wanted])

    top = graph.constant("confidence.top", np.array(255, np.float32))
    level = graph.add("Round", "confidence.round", [graph.add("Mul", "confidence.level", [share, top])])
    # Each value four times, by a product with two ones and a copy of the rows: a nearest Resize of one channel takes
    # OpenVINO three times as long, a Gather ONNX Runtime six times.
    twice = graph.constant("confidence.ones", np.ones((1, 2), np.float32))
    wide = graph.add("MatMul", "confidence.wide", [shaped("column", level, half[0] * half[1], 1), twice])
    row = shaped("rows", wide, half[0], 1, 2 * half[1])
    plane = shaped("plane", graph.add("Concat", "confidence.twice", [row, row], axis=2), 2 * half[0], 2 * half[1])
    if size[0] % 2 or size[1] % 2:
        bounds = {"starts": (0, 0), "ends": size, "axes": (1, 2)}
        parts = [graph.constant(f"confidence.{name}", np.array(value, np.int64)) for name, value in bounds.items()]
        plane = graph.add("Slice", "confidence.cut", [plane, *parts])
    graph.add("Cast", CONFIDENCE, [plane], to=TensorProto.UINT8)  # from float32, as TensorRT wants it


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
