"""A part of a graph while it is put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper


@dataclass
class Fragment:
    """Nodes and initializers of a part of a graph, in order of execution."""

    nodes: list[NodeProto] = field(default_factory=list)
    initializers: list[TensorProto] = field(default_factory=list)

    def add(self, op: str, name: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Append a node whose only output has the node's own name; returns that name."""
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Append an initializer; returns its name."""
        self.initializers.append(numpy_helper.from_array(value, name))
        return name
