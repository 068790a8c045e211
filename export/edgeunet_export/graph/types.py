"""The type and the shape of each tensor of a graph, and which inputs and outputs of an operator share a type."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper
from onnx.defs import OpSchema

FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


def inferred(model: ModelProto) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    """The element type (TensorProto.FLOAT, …) of every tensor by its name, and the shape of every one not stored.

    A size that is not known is 0.
    """
    graph = onnx.shape_inference.infer_shapes(model).graph
    types: dict[str, int] = {tensor.name: tensor.data_type for tensor in graph.initializer}
    shapes: dict[str, tuple[int, ...]] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        types[value.name] = value.type.tensor_type.elem_type
        shapes[value.name] = tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
    return types, shapes


def element_types(model: ModelProto) -> dict[str, int]:
    return inferred(model)[0]


def opset(model: ModelProto) -> int:
    """The version of ONNX's own operators that a model uses."""
    return next(int(entry.version) for entry in model.opset_import if not entry.domain)


def type_variables(node: NodeProto, version: int) -> tuple[list[str], list[str]]:
    """For each input and each output of a node the name of its type variable, or "" where it cannot be float16.

    Source: the operator's schema. Inputs with the same variable must have the same type.
    """
    schema = onnx.defs.get_schema(node.op_type, version, node.domain)
    free = {c.type_param_str for c in schema.type_constraints if "tensor(float16)" in c.allowed_type_strs}

    def names(formal: Sequence[OpSchema.FormalParameter], count: int) -> list[str]:
        # In Concat and similar operators the last parameter is for all inputs after it too.
        types = [formal[min(index, len(formal) - 1)].type_str for index in range(count)]
        return [name if name in free else "" for name in types]

    return names(schema.inputs, len(node.input)), names(schema.outputs, len(node.output))


def type_name(element_type: int) -> str:
    """FLOAT16, UINT8, …"""
    return helper.tensor_dtype_to_string(element_type).removeprefix("TensorProto.")
