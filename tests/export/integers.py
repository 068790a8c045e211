"""What a Q/DQ graph means, computed with exact integers: slow and obvious, the reference for every runtime.

A dequantised tensor stays what it is, integers on a grid: (integers - zero_point) * scale. A convolution of two such
tensors adds up integers; a copying operator moves them; nothing is rounded but by QuantizeLinear, whose rule is
ONNX's: round half to even, then saturate. Real numbers are float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Reals = NDArray[np.float64]


class OnGrid(NamedTuple):
    """Integers (held exactly in float64, below 2**53), and what they stand for."""

    integers: Reals
    scale: NDArray[np.float32]  # one, or one for each index along the first axis
    zero_point: NDArray[Any]

    @property
    def steps(self) -> Reals:
        """The integers, counted from the zero point."""
        return self.integers - _along_first(self.zero_point.astype(np.float64), self.integers.ndim)

    @property
    def reals(self) -> Reals:
        return self.steps * _along_first(self.scale.astype(np.float64), self.integers.ndim)


Value = OnGrid | Reals


def simulated(
    model: ModelProto, frame: NDArray[np.uint8], found: Mapping[str, NDArray[Any]] | None = None
) -> dict[str, Value]:
    """Every tensor of a model on one frame, uint8 [1, H, W, 3].

    found: what a runtime made of some tensors; what comes after them is computed from these, so that a difference
        is seen only where it arises.
    """
    found = found or {}
    results: dict[str, Value] = {}
    values: dict[str, Value] = {"frame": frame.astype(np.float64)}
    types: dict[str, Any] = {}
    for tensor in model.graph.initializer:
        stored = numpy_helper.to_array(tensor)
        types[tensor.name] = stored.dtype
        values[tensor.name] = stored.astype(np.float64)
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            tensor, scale, zero_point = (values[name] for name in node.input)
            limits = np.iinfo(types[node.input[2]])
            integers = np.rint(_reals(tensor) / np.float64(np.float32(_reals(scale)))) + _reals(zero_point)
            results[node.output[0]] = np.clip(integers, limits.min, limits.max)
        elif node.op_type == "DequantizeLinear":
            integers, scale, zero_point = (_reals(values[name]) for name in node.input)
            results[node.output[0]] = OnGrid(integers, scale.astype(np.float32), zero_point)
        else:
            inputs = [values[name] for name in node.input if name]
            results[node.output[0]] = _OPERATORS[node.op_type](node, inputs)
        for name in node.output:
            values[name] = found[name].astype(np.float64) if name in found else results[name]
    return results


def _reals(value: Value) -> Reals:
    return value.reals if isinstance(value, OnGrid) else value


def _along_first(values: Reals, ndim: int) -> Reals:
    return values.reshape(-1, *(1,) * (ndim - 1)) if values.ndim else values


def _attribute(node: NodeProto, name: str, default: Any) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), default)


def _moved(tensor: Value, move: Callable[[Reals], Reals]) -> Value:
    """A copying operator works on the integers themselves."""
    if isinstance(tensor, OnGrid):
        return tensor._replace(integers=move(tensor.integers))
    return move(tensor)


def _cast(node: NodeProto, inputs: list[Value]) -> Value:
    values = _reals(inputs[0])
    return values if _attribute(node, "to", 0) == TensorProto.FLOAT else np.trunc(values)


def _conv(node: NodeProto, inputs: list[Value]) -> Value:
    x, weight = inputs[0], inputs[1]
    top, left, bottom, right = _attribute(node, "pads", [0, 0, 0, 0])
    assert _attribute(node, "group", 1) == 1
    (stride, _), (dilation, _) = (_attribute(node, name, [1, 1]) for name in ("strides", "dilations"))  # square ones
    pad = ((0, 0), (0, 0), (top, bottom), (left, right))
    result: Reals
    if isinstance(x, OnGrid) and isinstance(weight, OnGrid):
        sums = _correlated(np.pad(x.steps, pad), weight.steps, stride, dilation)  # integers, exact
        result = sums * (np.float64(x.scale) * weight.scale.astype(np.float64)).reshape(1, -1, 1, 1)
    else:
        result = _correlated(np.pad(_reals(x), pad), _reals(weight), stride, dilation)
    return result + _reals(inputs[2]).reshape(1, -1, 1, 1) if len(inputs) > 2 else result


def _correlated(x: Reals, weight: Reals, stride: int, dilation: int) -> Reals:
    """(1, in, h, w) with (out, in, kh, kw)."""
    kh, kw = weight.shape[2:]
    height, width = x.shape[2] - (kh - 1) * dilation, x.shape[3] - (kw - 1) * dilation  # before striding
    parts = (
        np.tensordot(weight[:, :, i, j], x[0, :, top : top + height : stride, left : left + width : stride], axes=1)
        for i, top in enumerate(range(0, kh * dilation, dilation))
        for j, left in enumerate(range(0, kw * dilation, dilation))
    )
    return np.asarray(sum(parts))[None]


def _conv_transpose(node: NodeProto, inputs: list[Value]) -> Value:
    x, weight = _reals(inputs[0])[0], _reals(inputs[1])  # (in, h, w), (in, out, 2, 2)
    assert list(_attribute(node, "strides", [])) == [2, 2] == list(weight.shape[2:])
    out = np.zeros((weight.shape[1], 2 * x.shape[1], 2 * x.shape[2]))
    for i in range(2):
        for j in range(2):
            out[:, i::2, j::2] = np.tensordot(weight[:, :, i, j].T, x, axes=1)
    return np.asarray(out[None] + _reals(inputs[2]).reshape(1, -1, 1, 1))


def _max_pool(node: NodeProto, inputs: list[Value]) -> Value:
    assert list(_attribute(node, "kernel_shape", [])) == [2, 2] == list(_attribute(node, "strides", []))

    def pooled(x: Reals) -> Reals:
        height, width = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
        x = x[:, :, :height, :width]
        parts: Reals = np.stack([x[:, :, i::2, j::2] for i in range(2) for j in range(2)])
        return np.asarray(parts.max(axis=0))

    return _moved(inputs[0], pooled)


def _resize(node: NodeProto, inputs: list[Value]) -> Value:
    assert _attribute(node, "mode", b"nearest") == b"nearest"
    assert list(_reals(inputs[-1])) == [1, 1, 2, 2]
    return _moved(inputs[0], lambda x: x.repeat(2, axis=2).repeat(2, axis=3))


def _pad(node: NodeProto, inputs: list[Value]) -> Value:
    before, after = _reals(inputs[1]).astype(int).reshape(2, -1)
    zero = float(inputs[0].zero_point) if isinstance(inputs[0], OnGrid) else 0.0
    pairs = tuple(zip(before, after, strict=True))
    return _moved(inputs[0], lambda x: np.pad(x, pairs, constant_values=zero))


def _slice(node: NodeProto, inputs: list[Value]) -> Value:
    ((start,), (end,), (axis,)) = (_reals(bound).astype(int) for bound in inputs[1:])
    cut = (slice(None),) * axis + (slice(start, end),)
    return _moved(inputs[0], lambda x: x[cut])


def _concat(node: NodeProto, inputs: list[Value]) -> Value:
    return np.concatenate([_reals(x) for x in inputs], axis=_attribute(node, "axis", 1))


_OPERATORS: dict[str, Callable[[NodeProto, list[Value]], Value]] = {
    "Cast": _cast,
    "Transpose": lambda node, inputs: _reals(inputs[0]).transpose(_attribute(node, "perm", None)),
    "Sub": lambda node, inputs: _reals(inputs[0]) - _reals(inputs[1]),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Add": lambda node, inputs: _reals(inputs[0]) + _reals(inputs[1]),
    "Slice": _slice,
    "Relu": lambda node, inputs: np.maximum(_reals(inputs[0]), 0),
    "MaxPool": _max_pool,
    "Resize": _resize,
    "Pad": _pad,
    "Concat": _concat,
    "ArgMax": lambda node, inputs: _reals(inputs[0]).argmax(_attribute(node, "axis", 0)).astype(np.float64),
    "Greater": lambda node, inputs: (_reals(inputs[0]) > _reals(inputs[1])).astype(np.float64),
    "Squeeze": lambda node, inputs: _reals(inputs[0]).squeeze(1),
}
