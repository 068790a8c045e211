"""Which tensors of a network have a range of their own, and what all others make of those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edgeunet.quantisation.graph import Graph
from edgeunet.quantisation.placement import CONVOLUTIONS
from edgeunet.quantisation.ranges_file import Span

FRAME_SPAN: Span = (0.0, 255.0)
_FUSED = (*CONVOLUTIONS, "Add")  # with the ReLU behind them


def values(graph: Graph) -> list[str]:
    """The tensors of real numbers that get a range of their own, in the graph's order.

    Not copies of others, not the frame itself as floats, whose range is known, and not what only a ReLU reads of a
    convolution or of an addition: the two are one operator.
    """
    return [tensor for tensor, held in origins(graph).items() if held == (tensor,)]


def spans(graph: Graph, own: Mapping[str, Span]) -> dict[str, Span]:
    """The span of every tensor of real numbers: its own, or that of all that it holds.

    own: of the values. What holds one without is left out.
    """
    known = {**own, **dict.fromkeys(graph.sources, FRAME_SPAN)}
    return {
        tensor: union(known[origin] for origin in held)
        for tensor, held in origins(graph).items()
        if known.keys() >= set(held)
    }


def union(held: Iterable[Span]) -> Span:
    """The span that covers all of these, at least one."""
    lows, highs = zip(*held, strict=True)
    return min(lows), max(highs)


def origins(graph: Graph) -> dict[str, tuple[str, ...]]:
    """For each tensor of real numbers: the values or sources that it holds."""
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
        if operation.real:
            real.update(operation.outputs)
    return {tensor: held for tensor, held in found.items() if tensor in real}
