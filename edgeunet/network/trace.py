"""A network's forward pass as the list of its operators, each under the name of the module that runs it.

The exporter writes them as ONNX nodes, quantisation-aware training runs them one by one: both call a tensor the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

CENTRED = "frame.centred"
"""The tensor that enters an exported network: (N, 3, H, W) float32, the frame less the spec's mean."""
LOGITS = "logits"
"""What leaves it: (N, C, H, W) float32."""
_KINDS = {
    "conv2d": "Conv",
    "conv_transpose2d": "ConvTranspose",
    "max_pool2d": "MaxPool",
    "relu": "Relu",
    "upsample_nearest2d": "Resize",
    "pad": "Pad",
    "cat": "Concat",
    "add": "Add",
    "slice": "Slice",
}
"""ONNX's names of ATen's operators; in a U-Net, Resize is nearest and Pad pads with zeros."""


@dataclass(frozen=True)
class Call:
    """One operator.

    name: its module's path. tensor: what it gives. kind: what ONNX calls it; "" if it is none of a U-Net's.
    node: the operator itself.
    """

    name: str
    tensor: str
    kind: str
    node: fx.Node


@dataclass(frozen=True)
class Trace:
    """All operators, in order of execution.

    names: of the tensor at each node. parameters: those of them that are the network's own.
    """

    calls: tuple[Call, ...]
    names: Mapping[fx.Node, str]
    parameters: tuple[str, ...]

    def arguments(self, call: Call, values: Mapping[str, Any]) -> Sequence[Any]:
        """Those of ATen's schema, with values in place of tensors, by the tensors' names."""
        found: Sequence[Any] = fx.map_arg(call.node.args, lambda node: values[self.names[node]])
        return found

    def result(self, call: Call, values: Mapping[str, Tensor]) -> Tensor:
        """What an operator makes of the values of its tensors."""
        target = cast(Callable[..., Tensor], call.node.target)
        return target(*self.arguments(call, values), **call.node.kwargs)

    def inputs(self, call: Call) -> tuple[str, ...]:
        """The names of the tensors that an operator reads."""
        return tuple(self.names[node] for node in call.node.all_input_nodes)


def traced(net: nn.Module, input_size: tuple[int, int], *, source: str = CENTRED, output: str = LOGITS) -> Trace:
    """The operators from tensor `source` (N, 3, H, W) float32 to tensor `output`, for frames of `input_size`.

    The batch size appears in none of them.
    """
    with torch.no_grad():
        program = torch.export.export(net, (torch.zeros(1, 3, *input_size),), strict=False)
    signature = program.graph_signature
    stored = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    *nodes, result = program.graph.nodes
    (last,) = result.all_input_nodes
    names: dict[fx.Node, str] = {}
    taken = {source, output}
    calls = []
    for node in nodes:
        if node.op == "placeholder":
            names[node] = stored.get(node.name, source)
            continue
        op = str(node.target).split(".")[1].rstrip("_")  # aten.relu_.default → relu
        name = _free_name(_name(node, op, net), taken)
        names[node] = output if node is last else name
        calls.append(Call(name, names[node], _KINDS.get(op, ""), node))
    return Trace(tuple(calls), names, tuple(stored.values()))


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
