"""A network as this package sees it: operators and the names of the tensors between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

CONVOLUTIONS = ("Conv", "ConvTranspose")
LINEAR = ("MatMul", "Gemm")
"""Linear layers, where their weights are stored."""
ACTIVATIONS = ("Relu", "Clip")
"""They only cut values off: runtimes compute them as one with the convolution or the addition before them."""
_MOVES = ("MaxPool", "Concat", "Resize", "Pad")


def moves(kind: str, *, interpolates: bool = False, fills: bool = False) -> bool:
    """Whether an operator only moves values, so that its inputs and its output can share one scale.

    interpolates: a Resize that is not nearest. fills: a Pad with anything but zeros. Both compute new values.
    """
    return kind in _MOVES and not interpolates and not fills


@dataclass(frozen=True)
class Operation:
    """One operator.

    kind: ONNX's name of it. inputs: the tensors that it reads, of those that depend on the frame.
    outputs: what it computes, mostly one tensor. integers: those that are no real numbers.
    copied: the inputs whose values the output holds unchanged, perhaps with zeros around; () if it computes new ones.
    channels: of the input of a Conv or a linear layer whose weights are stored; 0 for every other operator, and for
        one whose output is a single pixel.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    integers: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    channels: int = 0

    @property
    def output(self) -> str:
        """The first output; it also names the operation."""
        return self.outputs[0]


@dataclass(frozen=True)
class Graph:
    """Everything that is computed from the frame.

    sources: the network's inputs. operations: in order of execution. results: the network's outputs.
    """

    sources: frozenset[str]
    operations: tuple[Operation, ...]
    results: frozenset[str]

    def only_reader(self, tensor: str) -> Operation | None:
        """The operation that reads a tensor, if nothing else does."""
        readers = self._readers.get(tensor, ())
        return readers[0] if len(readers) == 1 and tensor not in self.results else None

    def activated(self, tensor: str) -> str:
        """The tensor after its activation, if nothing else reads it: runtimes compute the two as one."""
        reader = self.only_reader(tensor)
        return reader.output if reader is not None and reader.kind in ACTIVATIONS else tensor

    @cached_property
    def _readers(self) -> Mapping[str, tuple[Operation, ...]]:
        found: dict[str, tuple[Operation, ...]] = {}
        for operation in self.operations:
            for tensor in dict.fromkeys(operation.inputs):
                found[tensor] = (*found.get(tensor, ()), operation)
        return found
