"""The end of a graph without what a mask does not need: the same classes, from the scores themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace

from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgeunet_export.foreign.decision import Decision
from edgeunet_export.foreign.onnx_graph.float_graph import inner_nodes
from edgeunet_export.graph.float_model import Constants, attribute
from edgeunet_export.graph.types import element_types, inferred


def shortened(model: ModelProto, tensor: str, decision: Decision) -> tuple[str, Decision]:
    """The tensor before softmax, sigmoid, a class map's ArgMax and its casts, and how that one becomes the same mask.

    An output smaller than the frame is enlarged as it is: between two pixels, shares and scores
    give other masks.
    """
    producer = {output: node for node in model.graph.node for output in node.output}
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    before = _Before(inferred(model)[1], stored, full=decision.size == decision.covers)
    while tensor in producer and (found := before.decision(producer[tensor], decision)):
        tensor, decision = producer[tensor].input[0], found
    return tensor, decision


@dataclass(frozen=True)
class _Before:
    shapes: dict[str, tuple[int, ...]]
    stored: Constants
    full: bool  # whether the output has the frame's size

    def decision(self, node: NodeProto, after: Decision) -> Decision | None:
        """How the node's first input becomes the mask that its output becomes; None if only the output does."""
        op, single = node.op_type, after.kind != "scores"
        if op == "Identity":
            return after
        if op == "Transpose" and after.channel_axis == 3 and attribute(node, "perm", []) == [0, 2, 3, 1]:
            return replace(after, channel_axis=1)
        if op == "Cast" and after.kind == "classes" and attribute(node, "to", 0) != TensorProto.BOOL:
            return after
        if op in ("Squeeze", "Unsqueeze", "Reshape") and single:
            return self._of_one_channel(node, after)
        if not self.full:
            return None
        if op in ("Softmax", "LogSoftmax") and after.kind == "scores":
            return after if attribute(node, "axis", -1) % 4 == after.channel_axis else None
        if op == "Sigmoid" and after.kind == "scores":
            return after
        if op == "Sigmoid" and after.kind == "logit" and after.threshold == 0.5:
            return replace(after, threshold=0.0)
        if op == "ArgMax" and after.kind == "classes":
            return self._of_scores(node, after)
        if op == "Greater" and after.kind == "classes" and (limit := self.stored.get(node.input[1])) is not None:
            above = replace(after, kind="logit", threshold=float(limit.ravel()[0]))
            return self._of_one_channel(node, above) if limit.size == 1 else None
        return None

    def _of_one_channel(self, node: NodeProto, after: Decision) -> Decision | None:
        shape, size = self.shapes.get(node.input[0], ()), after.size
        axes = {(1, *size): None, (1, 1, *size): 1, (1, *size, 1): 3}
        return replace(after, channel_axis=axes[shape]) if shape in axes else None

    def _of_scores(self, node: NodeProto, after: Decision) -> Decision | None:
        shape, axis = self.shapes.get(node.input[0], ()), attribute(node, "axis", 0) % 4
        if attribute(node, "select_last_index", 0) or len(shape) != 4 or axis not in (1, 3) or 0 in shape:
            return None
        return replace(after, kind="scores", channel_axis=axis, channels=shape[axis])


def pruned(model: ModelProto, tensor: str, shape: tuple[int, ...]) -> ModelProto:
    """A copy with `tensor`, of this shape, as its only output, without the nodes and values that it does not need."""
    needed, nodes = {tensor}, []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            nodes.append(node)
            needed.update(name for part in (node, *inner_nodes(node)) for name in part.input)
    kept = [value for value in model.graph.initializer if value.name in needed]
    copy = type(model)()
    copy.CopyFrom(model)
    for field, values in (("node", nodes[::-1]), ("initializer", kept)):
        copy.graph.ClearField(field)
        getattr(copy.graph, field).extend(values)
    copy.graph.ClearField("value_info")
    copy.graph.ClearField("output")
    copy.graph.output.append(helper.make_tensor_value_info(tensor, element_types(model)[tensor], shape))
    return copy
