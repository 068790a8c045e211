"""Where Q/DQ pairs go, and which tensors must share one scale.

What enters a convolution is quantised; the tensor between a convolution and its ReLU or Clip is not, nor is the
network's result. An operator that only moves values about (pooling, concatenation, nearest resize, zero padding) runs
in 8 bits without requantising if its inputs and its output have one scale, so all of them form a group. Where the
target lets a concatenation share, a group in a U-Net is a skip, its pooled version, the upsampled path that meets
it, and their concatenation; otherwise the concatenation has its own scale.

A residual block's addition belongs to the convolution before it: runtimes compute convolution, addition and ReLU as
one, if what is added is quantised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edgeunet.quantisation.graph import ACTIVATIONS, CONVOLUTIONS, LINEAR, Graph, Operation
from edgeunet.quantisation.target import QuantisationTarget

_QUANTISED = {"Conv", "MaxPool", "Resize", "Pad", "Concat", "Add"}
_FLOAT = {"Cast", "Sub", "ConvTranspose", *ACTIVATIONS, "ArgMax", "Greater"}
_REARRANGED = {
    "Transpose",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Slice",
    "Split",
    "Gather",
    "Expand",
    "Identity",
}
_FEW_CHANNELS = 4

Group = tuple[str, ...]
"""Tensors that share one scale, each with a Q/DQ pair, in the graph's order."""


@dataclass(frozen=True)
class Placement:
    """What is quantised in one graph, for one target.

    convolutions: the operations that compute with quantised weights, by their output's name; linear layers as well.
    readers: all operations that read quantised tensors: these, what copies, and the additions of residual blocks.
    outputs: the results of quantised convolutions that the target has in 8 bits only: every operation reads them
        quantised.
    left_float: operators that have no rule, with their number; they stay in float.
    """

    target: QuantisationTarget
    groups: tuple[Group, ...]
    convolutions: frozenset[str]
    readers: frozenset[str]
    outputs: frozenset[str]
    left_float: Mapping[str, int]


def place(graph: Graph, target: QuantisationTarget, floating: Collection[str] = ()) -> Placement:
    """Decide for a float network, which is not changed.

    floating: outputs of operations that must stay in float.

    The last convolution stays in float, and so does the first (3 channels in) unless the target wants it: they cost
    little, and their error goes straight into the mask. So do those on a single pixel, as in squeeze-and-excitation:
    they cost nothing, and their error changes whole channels. So does ConvTranspose, for which TensorRT often
    lacks an INT8 kernel and ONNX Runtime always.
    """
    computed = [output for operation in graph.operations for output in operation.outputs]
    convolutions = {c.output for c in _convolutions(graph, computed, target)} - set(floating)
    # Nothing is computed as one with a linear layer, and in integers it needs no quantised output.
    fusing = convolutions - {operation.output for operation in graph.operations if operation.kind in LINEAR}
    additions = _additions(graph, computed, fusing)
    outputs = {graph.activated(tensor) for tensor in fusing | additions.keys()} if target.outputs else set()
    quantised = {c.inputs[0] for c in graph.operations if c.output in convolutions}
    quantised.update(outputs, additions.values())
    copies: dict[str, tuple[str, ...]] = {}
    for operation in reversed(graph.operations):
        copied = operation.copied if target.pads or operation.kind != "Pad" else ()
        if operation.output in quantised - set(floating) and copied and set(copied) <= set(computed):
            copies[operation.output] = copied
            quantised.update(copied)
    together = {tensor: {tensor} for tensor in quantised}
    for output, copied in copies.items():
        if target.shared or len(copied) == 1:
            merged = set().union(*(together[tensor] for tensor in (output, *copied)))
            together.update(dict.fromkeys(merged, merged))
    groups: dict[int, Group] = {}
    for tensor in computed:
        if tensor in together:
            groups[id(together[tensor])] = tuple(t for t in computed if t in together[tensor])
    left = Counter(
        o.kind for o in graph.operations if not o.channels and o.kind not in _QUANTISED | _FLOAT | _REARRANGED
    )
    return Placement(
        target,
        tuple(groups.values()),
        frozenset(convolutions),
        frozenset(convolutions | copies.keys() | additions.keys()),
        frozenset(outputs),
        dict(left),
    )


def _convolutions(graph: Graph, computed: Collection[str], target: QuantisationTarget) -> list[Operation]:
    """Those with stored weights that are quantised: not the last, and the first only if the target wants it."""
    inner: list[Operation] = []
    leads_to_convolution: set[str] = set()
    for operation in reversed(graph.operations):
        leads = not leads_to_convolution.isdisjoint(operation.outputs)
        if leads and operation.channels > (0 if target.first else _FEW_CHANNELS) and operation.inputs[0] in computed:
            inner.append(operation)
        if leads or operation.kind in CONVOLUTIONS or operation.channels:
            leads_to_convolution.update(operation.inputs)
    return inner


def _additions(graph: Graph, computed: list[str], convolutions: Collection[str]) -> dict[str, str]:
    """The additions right after quantised convolutions, by their output, and what each adds to its convolution."""
    found = {}
    for operation in graph.operations:
        if operation.kind != "Add" or len(operation.inputs) != 2 or not set(operation.inputs) <= set(computed):
            continue
        # Of two convolutions, the later one is computed together with the sum.
        first, last = sorted(operation.inputs, key=computed.index)
        for convolution, added in ((last, first), (first, last)):
            if convolution in convolutions and graph.only_reader(convolution) is operation:
                found[operation.output] = added
                break
    return found
