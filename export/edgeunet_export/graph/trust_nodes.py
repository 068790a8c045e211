"""The nodes of confidence and familiarity, taken off a model while it is quantised or narrowed, and put back after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

from edgeunet_export.graph.float_model import attribute
from edgeunet_export.graph.reductions import axes_as_input
from edgeunet_export.graph.types import element_types, opset

CONFIDENCE, FAMILIARITY = "confidence", "familiarity"


@dataclass(frozen=True)
class TrustNodes:
    """The nodes of both outputs, taken off a model: what quantises or narrows it does not see them."""

    nodes: Sequence[NodeProto]
    constants: Sequence[TensorProto]
    outputs: Sequence[ValueInfoProto]

    @property
    def read(self) -> frozenset[str]:
        """The tensors of the model that they read."""
        own = {name for node in self.nodes for name in node.output} | {value.name for value in self.constants}
        return frozenset(name for node in self.nodes for name in node.input if name) - own

    def added_to(self, model: ModelProto) -> ModelProto:
        """A copy of a later version of the same model with both outputs.

        They read the dequantised version of a tensor where there is one, as other nodes do: nothing is kept twice.
        """
        proto = ModelProto()
        proto.CopyFrom(model)
        known = element_types(proto)
        for node in self.nodes:
            copy = proto.graph.node.add()
            copy.CopyFrom(node)
            for index, tensor in enumerate(copy.input):
                if f"{tensor}.dequantized" in known:
                    copy.input[index] = f"{tensor}.dequantized"
            if copy.op_type == "ReduceMax" and opset(proto) >= 18 and attribute(copy, "axes", None) is not None:
                axes_as_input(copy, proto.graph.initializer)
        proto.graph.initializer.extend(self.constants)
        proto.graph.output.extend(self.outputs)
        return proto


def without_trust(model: ModelProto) -> tuple[ModelProto, TrustNodes | None]:
    """A copy of a model without both outputs, and their nodes; the model itself and None if it has none."""

    def belongs(name: str) -> bool:
        return name.split(".", 1)[0] in (CONFIDENCE, FAMILIARITY)

    graph = model.graph
    if not any(belongs(value.name) for value in graph.output):
        return model, None
    taken = TrustNodes(
        [node for node in graph.node if belongs(node.output[0])],
        [value for value in graph.initializer if belongs(value.name)],
        [value for value in graph.output if belongs(value.name)],
    )
    plain = ModelProto()
    plain.CopyFrom(model)
    for field, values in (("node", graph.node), ("initializer", graph.initializer), ("output", graph.output)):
        kept = [v for v in values if not belongs(v.output[0] if isinstance(v, NodeProto) else v.name)]
        plain.graph.ClearField(field)
        getattr(plain.graph, field).extend(kept)
    return plain, taken
