"""The network's own forward pass, traced and written as ONNX nodes of opset 17.

torch.onnx.export starts at opset 18 and converts down; where a size is odd it can't (there is no
adapter for Pad), keeps 18 and only logs it. A U-Net needs nine operators, so they are written here
at the opset that is wanted, and each node bears the name of its module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import fx, nn

from edgeunet.errors import ExportError


@dataclass
class Fragment:
    """Nodes and initializers of a part of a graph, in order of execution."""

    nodes: list[NodeProto] = field(default_factory=list)
    initializers: list[TensorProto] = field(default_factory=list)

    def add(self, op: str, name: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Append a node whose only output has the node's own name; gives that name."""
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Append an initializer; gives its name."""
        self.initializers.append(numpy_helper.from_array(value, name))
        return name


def translated(net: nn.Module, input_size: tuple[int, int], *, source: str, output: str) -> Fragment:
    """The nodes from tensor `source` (N, 3, H, W) float32 to tensor `output`, for frames of `input_size`.

    The batch size appears in none of them. Raises ExportError for an operator that has no translation.
    """
    with torch.no_grad():
        program = torch.export.export(net, (torch.zeros(1, 3, *input_size),), strict=False)
    signature = program.graph_signature
    stored = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    state = program.state_dict
    fragment = Fragment()
    tensors: dict[fx.Node, str] = {}
    taken = {source, output}
    *nodes, _ = program.graph.nodes
    for node in nodes:
        if node.op == "placeholder":
            if node.name in stored:
                name = stored[node.name]
                tensors[node] = fragment.constant(name, state[name].detach().numpy())
            else:
                tensors[node] = source
            continue
        op = str(node.target).split(".")[1].rstrip("_")  # aten.relu_.default → relu
        if op not in _TRANSLATIONS:
            raise ExportError(f"the network uses {node.target}, which has no translation to ONNX: use another operator")
        arguments = fx.map_arg(node.args, tensors.__getitem__)
        tensors[node] = _TRANSLATIONS[op](fragment, _free_name(_name(node, op, net), taken), *arguments)
    fragment.nodes[-1].output[0] = output  # the node keeps its module's name
    return fragment


def _name(node: fx.Node, op: str, net: nn.Module) -> str:
    """The path of the module that ran the operator; with the operator's own name if it is one of several there."""
    path: str = list(node.meta["nn_module_stack"].values())[-1][0]
    is_leaf = not any(net.get_submodule(path).children())
    return path if is_leaf else ".".join(filter(None, (path, op)))


def _free_name(name: str, taken: set[str]) -> str:
    count, free = 1, name
    while free in taken:
        count += 1
        free = f"{name}.{count}"
    taken.add(free)
    return free


# One function for each operator, with the arguments and defaults of its ATen schema.


def _conv2d(
    out: Fragment,
    name: str,
    x: str,
    weight: str,
    bias: str | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> str:
    inputs = [x, weight] + ([bias] if bias else [])
    return out.add("Conv", name, inputs, strides=stride, pads=[*padding, *padding], dilations=dilation, group=groups)


def _conv_transpose2d(
    out: Fragment, name: str, x: str, weight: str, bias: str | None = None, stride: Sequence[int] = (1, 1)
) -> str:
    return out.add("ConvTranspose", name, [x, weight] + ([bias] if bias else []), strides=stride)


def _max_pool2d(out: Fragment, name: str, x: str, kernel: Sequence[int], stride: Sequence[int]) -> str:
    return out.add("MaxPool", name, [x], kernel_shape=kernel, strides=stride)


def _relu(out: Fragment, name: str, x: str) -> str:
    return out.add("Relu", name, [x])


def _upsample_nearest2d(out: Fragment, name: str, x: str, size: None, scale: Sequence[float]) -> str:
    scales = out.constant(f"{name}.scales", np.array([1, 1, *scale], np.float32))
    return out.add(
        "Resize",
        name,
        [x, "", scales],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _pad(out: Fragment, name: str, x: str, pad: Sequence[int]) -> str:
    left, right, top, bottom = pad
    pads = out.constant(f"{name}.pads", np.array([0, 0, top, left, 0, 0, bottom, right], np.int64))
    return out.add("Pad", name, [x, pads], mode="constant")


def _cat(out: Fragment, name: str, tensors: Sequence[str], dim: int) -> str:
    return out.add("Concat", name, tensors, axis=dim)


def _add(out: Fragment, name: str, x: str, y: str) -> str:
    return out.add("Add", name, [x, y])


def _slice(out: Fragment, name: str, x: str, dim: int, start: int, end: int) -> str:
    bounds = {"starts": start, "ends": end, "axes": dim}
    inputs = [out.constant(f"{name}.{key}", np.array([value], np.int64)) for key, value in bounds.items()]
    return out.add("Slice", name, [x, *inputs])


_TRANSLATIONS: dict[str, Callable[..., str]] = {
    "conv2d": _conv2d,
    "conv_transpose2d": _conv_transpose2d,
    "max_pool2d": _max_pool2d,
    "relu": _relu,
    "upsample_nearest2d": _upsample_nearest2d,
    "pad": _pad,
    "cat": _cat,
    "add": _add,
    "slice": _slice,
}
