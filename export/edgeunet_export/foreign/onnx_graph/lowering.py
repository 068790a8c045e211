"""A simplified graph of a newer opset → OPSET, which every runtime here reads, where its operators can be said in it.

Of the operators that changed after OPSET most only take more types. What else changed is in the tables here; whether
the result is valid is then asked of ONNX's checker.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import ModelProto, NodeProto, TensorProto, helper, inliner, numpy_helper
from onnx.defs import SchemaError

from edgeunet_export.graph.model_file import IR_VERSION, OPSET
from edgeunet_export.graph.types import inferred, opset


class _NotInOpsetError(Exception):
    """A node that OPSET cannot say."""


def inlined(model: ModelProto) -> ModelProto:
    """The model without functions: those of the file, and operators newer than OPSET that are made of older ones."""
    model = inliner.inline_local_functions(model, convert_version=True)
    kinds = {node.op_type for node in model.graph.node if not node.domain}
    new = [("", kind) for kind in sorted(kinds) if _schema(kind, OPSET) is None]
    if not new:
        return model
    model = onnx.shape_inference.infer_shapes(model)
    for tensor in model.graph.initializer:  # the inliner wants to know all types
        known = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.value_info.append(known)
    # What they are made of may have CastLike, which ONNX Runtime turns into Cast after it has folded constants.
    return inliner.inline_selected_functions(model, [*new, ("", "CastLike")], inline_schema_functions=True)


def lowered(model: ModelProto) -> tuple[ModelProto, str]:
    """The model at OPSET and "", or the model as it is and why: the first operator that needs its own opset."""
    version = opset(model)
    model.ir_version = IR_VERSION.get(version, model.ir_version)
    if version <= OPSET:
        return model, ""
    changed = type(model).FromString(model.SerializeToString())
    graph = _Rewriter(changed)
    try:
        for node in changed.graph.node:
            graph.rewrite(node, version)
    except _NotInOpsetError as error:
        return model, str(error)
    changed.graph.initializer.extend(graph.made)
    next(entry for entry in changed.opset_import if not entry.domain).version = OPSET
    changed.ir_version = IR_VERSION[OPSET]
    try:
        onnx.checker.check_model(changed, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return model, " ".join(str(error).split())[:80]
    return changed, ""


class _Rewriter:
    def __init__(self, model: ModelProto) -> None:
        self.stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.shapes = inferred(model)[1]
        self.made: list[TensorProto] = []

    def rewrite(self, node: NodeProto, version: int) -> None:
        """Change a node of opset `version` so that OPSET means the same. Raises _NotInOpsetError."""
        if node.domain:
            return
        old, new = _schema(node.op_type, OPSET), _schema(node.op_type, version)
        if old is None or new is None:
            raise _NotInOpsetError(f"{node.op_type} is newer")
        change = (
            _reduced if node.op_type.startswith("Reduce") and "axes" in old.attributes else _CHANGES.get(node.op_type)
        )
        if change:
            change(self, node)
        for attribute in list(node.attribute):
            if attribute.name not in old.attributes:
                default = new.attributes[attribute.name].default_value
                if helper.get_attribute_value(attribute) != helper.get_attribute_value(default):
                    raise _NotInOpsetError(f"{node.op_type} has {attribute.name}")
                node.attribute.remove(attribute)

    def constant(self, node: NodeProto, index: int) -> Any:
        """The stored value of an input; None if the node has no such input."""
        if len(node.input) <= index or not node.input[index]:
            return None
        if node.input[index] not in self.stored:
            raise _NotInOpsetError(f"{node.op_type} computes its {node.input[index]}")
        return self.stored[node.input[index]]

    def store(self, node: NodeProto, what: str, values: ArrayLike, dtype: Any = np.int64) -> str:
        name = f"{node.output[0]}.{what}"
        self.made.append(numpy_helper.from_array(np.array(values, dtype), name))
        return name

    def rank(self, node: NodeProto) -> int:
        return len(self.shapes[node.input[0]])

    def shape(self, tensor: str) -> tuple[int, ...]:
        shape = self.shapes.get(tensor, (0,))
        if 0 in shape:
            raise _NotInOpsetError(f"the shape of {tensor} is not known")
        return shape


def _reduced(graph: _Rewriter, node: NodeProto) -> None:
    """The axes were an attribute."""
    axes = graph.constant(node, 1)
    if axes is None and _attribute(node, "noop_with_empty_axes"):
        node.op_type = "Identity"
        del node.attribute[:]
        return
    _drop(node, "noop_with_empty_axes")
    del node.input[1:]
    if axes is not None:
        node.attribute.append(helper.make_attribute("axes", [int(axis) for axis in axes]))


def _split(graph: _Rewriter, node: NodeProto) -> None:
    """The number of parts was not said; where the last is smaller their sizes were."""
    if _attribute(node, "num_outputs"):
        axis = _attribute(node, "axis") or 0
        sizes = graph.store(node, "sizes", [graph.shape(output)[axis] for output in node.output])
        node.input[:] = [node.input[0], sizes]
        _drop(node, "num_outputs")


def _pad(graph: _Rewriter, node: NodeProto) -> None:
    """All axes were padded."""
    axes = graph.constant(node, 3)
    if axes is None:
        return
    pads, rank = graph.constant(node, 1), graph.rank(node)
    if pads is None:
        raise _NotInOpsetError("Pad computes its sizes")
    every = np.zeros((2, rank), np.int64)
    every[:, [int(axis) % rank for axis in axes]] = pads.reshape(2, -1)
    node.input[:] = [node.input[0], graph.store(node, "pads", every.ravel()), node.input[2]]


def _resize(graph: _Rewriter, node: NodeProto) -> None:
    """All axes were resized."""
    axes = _attribute(node, "axes")
    if _attribute(node, "coordinate_transformation_mode") == b"half_pixel_symmetric":
        raise _NotInOpsetError("Resize is half_pixel_symmetric")
    if not axes:
        return
    shape = graph.shape(node.input[0])
    for index, (what, dtype, start) in {
        2: ("scales", np.float32, [1.0] * len(shape)),
        3: ("sizes", np.int64, list(shape)),
    }.items():
        given = graph.constant(node, index)
        if given is not None and given.size:
            every = np.array(start, dtype)
            every[[int(axis) % len(shape) for axis in axes]] = given
            node.input[index] = graph.store(node, what, every, dtype)
    _drop(node, "axes")


def _grid_sample(graph: _Rewriter, node: NodeProto) -> None:
    """The same modes had other names."""
    for attribute in node.attribute:
        if attribute.name == "mode":
            attribute.s = {b"linear": b"bilinear", b"cubic": b"bicubic"}.get(attribute.s, attribute.s)


_CHANGES: dict[str, Callable[[_Rewriter, NodeProto], None]] = {
    "Split": _split,
    "Pad": _pad,
    "Resize": _resize,
    "GridSample": _grid_sample,
}


def _attribute(node: NodeProto, name: str) -> Any:
    return next((helper.get_attribute_value(a) for a in node.attribute if a.name == name), None)


def _drop(node: NodeProto, name: str) -> None:
    kept = [attribute for attribute in node.attribute if attribute.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)


def _schema(kind: str, version: int) -> onnx.defs.OpSchema | None:
    try:
        return onnx.defs.get_schema(kind, version, "")
    except SchemaError:
        return None
