"""Which tensors of a network have a range of their own, and what all others make of those."""

from __future__ import annotations

from collections.abc import Iterable

from edgeunet.quantisation.graph import Graph
from edgeunet.quantisation.placement import CONVOLUTIONS
from edgeunet.quantisation.rangefile import Ranges, Span

FRAME_SPAN: Span = (0.0, 255.0)
_FUSED = (*CONVOLUTIONS, "Add")  # with the ReLU behind them


def values(graph: Graph) -> list[str]:
    """The tensors of real numbers that get a range of their own, in the graph's order.

    Not copies of others, not the frame itself as floats, whose range is known, and not what only a ReLU reads of a
    convolution or of an addition: the two are one operator.
    """
    return [tensor for tensor, origins in _origins(graph).items() if origins == (tensor,)]


def spans(graph: Graph, ranges: Ranges) -> dict[str, Span]:
    """The span of every tensor of real numbers: its own, or that of all that it holds."""
    result = {}
    for tensor, origins in _origins(graph).items():
        held = [FRAME_SPAN if origin in graph.sources else ranges.tensors[origin].span for origin in origins]
        result[tensor] = union(held)
    return result


def union(held: Iterable[Span]) -> Span:
    """The span that covers all of these, at least one."""
    lows, highs = zip(*held, strict=True)
    return min(lows), max(highs)


def _origins(graph: Graph) -> dict[str, tuple[str, ...]]:
    """For each tensor of real numbers: the values or sources that it holds."""
    origins: dict[str, tuple[str, ...]] = {source: (source,) for source in graph.sources}
    real: set[str] = set()
    for operation in graph.operations:
        copied = operation.copied
        if operation.kind in ("Cast", "Transpose") and set(origins.get(operation.inputs[0], ("",))) <= graph.sources:
            copied = operation.inputs[:1]
        if copied and origins.keys() >= set(copied):
            held = tuple(dict.fromkeys(origin for tensor in copied for origin in origins[tensor]))
            origins.update(dict.fromkeys(operation.outputs, held))
        else:
            fused = operation.kind in _FUSED
            origins.update({t: (graph.activated(t) if fused else t,) for t in operation.outputs})
        if operation.real:
            real.update(operation.outputs)
    return {tensor: held for tensor, held in origins.items() if tensor in real}
