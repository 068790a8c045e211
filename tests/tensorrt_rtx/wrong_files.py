"""Five model files that TensorRT must refuse, each made from a good one by one change.

They show that `make check-tensorrt` bites: a parser that takes everything would prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper


@dataclass(frozen=True)
class Wrong:
    """One fault.

    parent: precision of the good file that it is made from.
    reason: a part of what TensorRT says of it, in lower case; another reason is no proof.
    """

    name: str
    parent: str
    reason: str
    change: Callable[[ModelProto], None]


def wrong_models(good: dict[str, ModelProto]) -> Iterator[tuple[Wrong, ModelProto]]:
    """Each fault with its model. good: the models to start from, by precision."""
    for wrong in WRONG:
        model = ModelProto()
        model.CopyFrom(good[wrong.parent])
        wrong.change(model)
        yield wrong, model


def _zero_point_not_zero(model: ModelProto) -> None:
    """An asymmetric range, as `onnxruntime.quantization` chooses by default."""
    pair = _first(model, "QuantizeLinear")
    _initializer(model, pair.input[2]).CopyFrom(numpy_helper.from_array(np.array(3, np.int8), pair.input[2]))


def _int32_bias(model: ModelProto) -> None:
    """A bias stored as int32 with a DequantizeLinear behind it, as `onnxruntime.quantization` writes it."""
    node = next(n for n in model.graph.node if n.op_type == "Conv" and n.input[1].endswith(".dequantized"))
    name = node.input[2]
    bias = numpy_helper.to_array(_initializer(model, name))
    scale = np.float32(1e-4)
    parts = {
        f"{name}.int32": np.rint(bias / scale).astype(np.int32),
        f"{name}.scale": np.array(scale),
        f"{name}.zero_point": np.array(0, np.int32),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, part) for part, value in parts.items())
    dequantize = helper.make_node("DequantizeLinear", list(parts), [f"{name}.float"], f"{name}.dequantize")
    model.graph.node.insert(list(model.graph.node).index(node), dequantize)
    node.input[2] = f"{name}.float"


def _transpose_of_uint8(model: ModelProto) -> None:
    """Transpose before Cast: what everyone would write first."""
    cast, transpose = model.graph.node[0], model.graph.node[1]
    transpose.input[0], cast.input[0] = cast.input[0], "frame.planes.uint8"
    cast.output[0], transpose.output[0] = transpose.output[0], "frame.planes.uint8"
    first = NodeProto()
    first.CopyFrom(cast)
    cast.CopyFrom(transpose)
    transpose.CopyFrom(first)


def _mixed_types(model: ModelProto) -> None:
    """float16 weights and bias on a float32 activation."""
    for name in _first(model, "Conv").input[1:]:
        tensor = _initializer(model, name)
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), name))


def _unsupported_operator(model: ModelProto) -> None:
    """Bernoulli is valid ONNX in a Relu's place, and the parser has no importer for it."""
    _first(model, "Relu").op_type = "Bernoulli"


WRONG = (
    Wrong("zero-point", "int8", "non-zero zero point", _zero_point_not_zero),
    Wrong("int32-bias", "int8", "input has type int32", _int32_bias),
    Wrong("transpose-uint8", "fp32", "input has type uint8", _transpose_of_uint8),
    Wrong("mixed-types", "fp32", "must be of same type", _mixed_types),
    Wrong("unsupported-operator", "fp32", "bernoulli", _unsupported_operator),
)


def _first(model: ModelProto, op: str) -> NodeProto:
    found: NodeProto = next(node for node in model.graph.node if node.op_type == op)
    return found


def _initializer(model: ModelProto, name: str) -> TensorProto:
    found: TensorProto = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    return found
