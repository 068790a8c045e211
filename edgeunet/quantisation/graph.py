"""A network as this package sees it: operators and the names of the tensors between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

MOVES = ("MaxPool", "Concat", "Resize", "Pad")
"""Operators that move values about: a Resize that interpolates and a Pad with other than zeros compute new ones."""


@dataclass(frozen=True)
class Operation:
    """One operator.

    kind: what ONNX calls it. inputs: the tensors that it reads, of those that depend on the frame.
    outputs: what it gives, mostly one tensor. real: whether these are real numbers.
    copied: the inputs whose values the output holds unchanged, perhaps beside zeros; () if it computes new ones.
    channels: of the input of a Conv whose weights are stored; 0 for every other operator.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    real: bool = True
    copied: tuple[str, ...] = ()
    channels: int = 0

    @property
    def output(self) -> str:
        """Its name, too."""
        return self.outputs[0]


@dataclass(frozen=True)
class Graph:
    """All that is computed from the frame.

    sources: what is given. operations: in order of execution. results: the tensors that the network is run for.
    """

    sources: frozenset[str]
    operations: tuple[Operation, ...]
    results: frozenset[str]

    def readers(self, tensor: str) -> tuple[Operation, ...]:
        return self._readers.get(tensor, ())

    def only_reader(self, tensor: str) -> Operation | None:
        """The operation that reads a tensor, if nobody else sees it."""
        readers = self.readers(tensor)
        return readers[0] if len(readers) == 1 and tensor not in self.results else None

    def activated(self, tensor: str) -> str:
        """The tensor after its ReLU, if nothing else reads it: runtimes compute the two as one."""
        reader = self.only_reader(tensor)
        return reader.output if reader is not None and reader.kind == "Relu" else tensor

    @cached_property
    def _readers(self) -> Mapping[str, tuple[Operation, ...]]:
        found: dict[str, tuple[Operation, ...]] = {}
        for operation in self.operations:
            for tensor in dict.fromkeys(operation.inputs):
                found[tensor] = (*found.get(tensor, ()), operation)
        return found
