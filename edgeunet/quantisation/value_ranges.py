"""Which tensors of a network need a measured value range, and the ranges of all others, which follow from those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edgeunet.quantisation.graph import CONVOLUTIONS, Graph
from edgeunet.quantisation.ranges_file import ValueRange

FRAME_RANGE: ValueRange = (0.0, 255.0)
_FUSED = (*CONVOLUTIONS, "Add")  # with the activation after them


def ranged_tensors(graph: Graph) -> list[str]:
    """The tensors of real numbers whose ranges are measured, in the graph's order.

    Left out are copies of others, the frame as floats (its range is known), and the result of a convolution or an
    addition that only a ReLU or a Clip reads: runtimes compute the two as one.
    """
    return [tensor for tensor, held in origins(graph).items() if held == (tensor,)]


def value_ranges(graph: Graph, own: Mapping[str, ValueRange]) -> dict[str, ValueRange]:
    """The range of every tensor of real numbers: its own, or the one that covers all tensors whose values it holds.

    own: of the ranged tensors. A tensor that holds one without a range is left out.
    """
    known = {**own, **dict.fromkeys(graph.sources, FRAME_RANGE)}
    return {
        tensor: union(known[origin] for origin in held)
        for tensor, held in origins(graph).items()
        if known.keys() >= set(held)
    }


def union(held: Iterable[ValueRange]) -> ValueRange:
    """The range that covers all of these (at least one)."""
    lows, highs = zip(*held, strict=True)
    return min(lows), max(highs)


def origins(graph: Graph) -> dict[str, tuple[str, ...]]:
    """For each tensor of real numbers: the ranged tensors or sources whose values it holds."""
    found: dict[str, tuple[str, ...]] = {source: (source,) for source in graph.sources}
    real: set[str] = set()
    for operation in graph.operations:
        copied = operation.copied
        if operation.kind in ("Cast", "Transpose") and set(found.get(operation.inputs[0], ("",))) <= graph.sources:
            copied = operation.inputs[:1]
        if copied and found.keys() >= set(copied):
            held = tuple(dict.fromkeys(origin for tensor in copied for origin in found[tensor]))
            found.update(dict.fromkeys(operation.outputs, held))
        else:
            fused = operation.kind in _FUSED
            found.update({t: (graph.activated(t) if fused else t,) for t in operation.outputs})
        real.update(set(operation.outputs).difference(operation.integers))
    return {tensor: held for tensor, held in found.items() if tensor in real}
