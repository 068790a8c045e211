"""A network's forward pass, operator by operator, each under the name of the module that runs it.

The exporter writes them as ONNX nodes and quantisation-aware training runs them one by one: both use the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

CENTRED = "frame.centred"
"""The tensor that enters an exported network: (N, channels, H, W) float32, the frame less the spec's mean."""
LOGITS = "logits"
"""The tensor that leaves it: (N, C, H, W) float32."""
_KINDS = {
    "conv2d": "Conv",
    "conv_transpose2d": "ConvTranspose",
    "max_pool2d": "MaxPool",
    "relu": "Relu",
    "hardtanh": "Clip",
    "upsample_nearest2d": "Resize",
    "pad": "Pad",
    "cat": "Concat",
    "add": "Add",
    "slice": "Slice",
}
"""ONNX's names of ATen's operators; in a U-Net, Resize is nearest and Pad pads with zeros."""


class TensorName(str):
    """A tensor among the arguments of an operator; a parameter has its name in the network's state."""


@dataclass(frozen=True)
class TracedOperator:
    """One operator.

    name: its module's path. output: the tensor that it computes. kind: ONNX's name; "" for none of a U-Net's operators.
    inputs: the tensors that it reads. function: ATen's own. arguments: of ATen's schema, with a TensorName for each
    tensor. keywords: those that are no tensors.
    """

    name: str
    output: str
    kind: str
    inputs: tuple[str, ...]
    function: Callable[..., Tensor]
    arguments: Sequence[Any]
    keywords: Mapping[str, Any]

    def run(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Compute the output from tensors by their names."""
        arguments = map_aggregate(
            cast(Any, self.arguments), lambda value: tensors[value] if isinstance(value, TensorName) else value
        )
        return self.function(*cast("Sequence[Any]", arguments), **self.keywords)


def traced(
    net: nn.Module,
    input_size: tuple[int, int],
    *,
    channels: int = 3,
    source: str = CENTRED,
    output: str = LOGITS,
) -> Iterator[TracedOperator]:
    """The operators from tensor `source` (N, channels, H, W) float32 to tensor `output`, in order of execution.

    input_size: (height, width) of the frames; the batch size appears in none of the operators.
    """
    with torch.no_grad():
        program = torch.export.export(net, (torch.zeros(1, channels, *input_size),), strict=False)
    signature = program.graph_signature
    stored = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    *nodes, result = program.graph.nodes
    (last,) = result.all_input_nodes
    names: dict[fx.Node, TensorName] = {}
    taken = {source, output}
    for node in nodes:
        if node.op == "placeholder":
            names[node] = TensorName(stored.get(node.name, source))
            continue
        op = str(node.target).split(".")[1].rstrip("_")  # aten.relu_.default → relu
        name = _free_name(_name(node, op, net), taken)
        names[node] = TensorName(output if node is last else name)
        inputs = tuple(names[tensor] for tensor in node.all_input_nodes)
        arguments = fx.map_arg(node.args, names.__getitem__)
        yield TracedOperator(name, names[node], _KINDS.get(op, ""), inputs, node.target, arguments, node.kwargs)


def _name(node: fx.Node, op: str, net: nn.Module) -> str:
    """The path of the module that ran the operator; with the operator's own name if the module ran several."""
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
