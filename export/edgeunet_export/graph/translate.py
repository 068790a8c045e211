"""The network's own forward pass, traced and written as ONNX nodes of opset 17.

torch.onnx.export starts at opset 18 and converts down; where a size is odd it cannot (there is no
adapter for Pad), keeps 18 and only logs it. A U-Net needs nine operators, so they are written here
at the wanted opset, and each node has the name of its module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import nn

from edgeunet.errors import ExportError
from edgeunet.network.trace import CENTRED, LOGITS, traced
from edgeunet_export.graph.fragment import Fragment


def translated(
    net: nn.Module, input_size: tuple[int, int], *, channels: int = 3, source: str = CENTRED, output: str = LOGITS
) -> Fragment:
    """The nodes from tensor `source` (N, channels, H, W) float32 to tensor `output`, for frames of `input_size`.

    The batch size appears in none of them. Raises ExportError for an operator that has no translation.
    """
    fragment = Fragment()
    for name, value in net.state_dict().items():
        fragment.constant(name, value.numpy())
    for operator in traced(net, input_size, channels=channels, source=source, output=output):
        if not operator.kind:
            raise ExportError(
                f"the network uses {operator.function}, which cannot be translated to ONNX: use another operator"
            )
        inputs, attributes = _TRANSLATIONS[operator.kind](fragment, operator.name, *operator.arguments)
        fragment.add(operator.kind, operator.name, inputs, **attributes)
        fragment.nodes[-1].output[0] = operator.output  # the node keeps its module's name
    return fragment


# One function for each operator, with the arguments and defaults of its ATen schema: the node's inputs and attributes.

_Node = tuple[Sequence[str], dict[str, Any]]


def _convolution(
    out: Fragment,
    name: str,
    x: str,
    weight: str,
    bias: str | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> _Node:
    attributes = {"strides": stride, "pads": [*padding, *padding], "dilations": dilation, "group": groups}
    return [x, weight] + ([bias] if bias else []), attributes


def _transposed(
    out: Fragment, name: str, x: str, weight: str, bias: str | None = None, stride: Sequence[int] = (1, 1)
) -> _Node:
    return [x, weight] + ([bias] if bias else []), {"strides": stride}


def _max_pool(out: Fragment, name: str, x: str, kernel: Sequence[int], stride: Sequence[int]) -> _Node:
    return [x], {"kernel_shape": kernel, "strides": stride}


def _plain(out: Fragment, name: str, *inputs: str) -> _Node:
    return inputs, {}


def _clip(out: Fragment, name: str, x: str, low: float, high: float) -> _Node:
    bounds = {"min": low, "max": high}
    return [x, *(out.constant(f"{name}.{key}", np.array(value, np.float32)) for key, value in bounds.items())], {}


def _resize(out: Fragment, name: str, x: str, size: None, scale: Sequence[float]) -> _Node:
    scales = out.constant(f"{name}.scales", np.array([1, 1, *scale], np.float32))
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return [x, "", scales], how


def _pad(out: Fragment, name: str, x: str, pad: Sequence[int]) -> _Node:
    left, right, top, bottom = pad
    pads = out.constant(f"{name}.pads", np.array([0, 0, top, left, 0, 0, bottom, right], np.int64))
    return [x, pads], {"mode": "constant"}


def _concat(out: Fragment, name: str, tensors: Sequence[str], dim: int) -> _Node:
    return tensors, {"axis": dim}


def _slice(out: Fragment, name: str, x: str, dim: int, start: int, end: int) -> _Node:
    bounds = {"starts": start, "ends": end, "axes": dim}
    return [x, *(out.constant(f"{name}.{key}", np.array([value], np.int64)) for key, value in bounds.items())], {}


_TRANSLATIONS: dict[str, Callable[..., _Node]] = {
    "Conv": _convolution,
    "ConvTranspose": _transposed,
    "MaxPool": _max_pool,
    "Relu": _plain,
    "Clip": _clip,
    "Resize": _resize,
    "Pad": _pad,
    "Concat": _concat,
    "Add": _plain,
    "Slice": _slice,
}
