"""A float32 graph turned into a strongly typed float16 one, with casts only where the two types meet."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgeunet_export.graph.types import element_types, opset, type_variables


def narrowed(model: ModelProto, wide: Collection[str]) -> ModelProto:
    """A copy that computes in float16, with the same inputs and outputs and the same names of tensors.

    wide: outputs of the nodes that stay in float32.
    The result of a Cast keeps its type: a uint8 frame becomes float32 first and the class index becomes float32 before
    uint8, as TensorRT wants them. Constants for float16 nodes are stored as float16, under `<name>.fp16`.
    """
    model = type(model).FromString(model.SerializeToString())
    graph = model.graph
    types, version = element_types(model), opset(model)
    stored = {tensor.name: tensor for tensor in graph.initializer}
    results = {value.name for value in graph.output}
    narrow: set[str] = set()  # tensors that are computed in float16
    made: set[str] = set()  # the same values in the other type
    nodes: list[NodeProto] = []
    constants: list[TensorProto] = []

    def read(tensor: str, *, half: bool) -> str:
        """The name of a float tensor in the wanted type; it is cast if it does not exist in that type."""
        if (tensor in narrow) == half:
            return tensor
        other = f"{tensor}.fp16" if half else f"{tensor}.fp32"
        if other not in made:
            made.add(other)
            if tensor in stored:
                value = numpy_helper.to_array(stored[tensor])
                constants.append(numpy_helper.from_array(value.astype(np.float16), other))
            else:
                nodes.append(_cast(tensor, other, TensorProto.FLOAT16 if half else TensorProto.FLOAT))
        return other

    for node in graph.node:
        half = node.op_type != "Cast" and node.output[0] not in wide
        inputs, outputs = type_variables(node, version)
        for index, (tensor, variable) in enumerate(zip(node.input, inputs, strict=True)):
            if types.get(tensor) == TensorProto.FLOAT:
                node.input[index] = read(tensor, half=half and bool(variable))
        nodes.append(node)
        for index, (tensor, variable) in enumerate(zip(node.output, outputs, strict=True)):
            # Where no input decides the type, as in a Constant, the node's attributes do.
            if not half or not variable or variable not in inputs or types[tensor] != TensorProto.FLOAT:
                continue
            if tensor in results:
                node.output[index] = f"{tensor}.fp16"
                made.add(node.output[index])
                nodes.append(_cast(node.output[index], tensor, TensorProto.FLOAT))
            else:
                narrow.add(tensor)
    used = {name for node in nodes for name in node.input}
    constants = [tensor for tensor in (*graph.initializer, *constants) if tensor.name in used]
    graph.CopyFrom(helper.make_graph(nodes, graph.name, graph.input, graph.output, constants))
    return model


def rounded(model: ModelProto) -> ModelProto:
    """A float32 model that computes what a float16 one does on hardware that has float16; any other model as it is.

    ONNX Runtime on a CPU without float16 operators computes them in float32 and drops the rounding between
    them, so a value that overflows on a GPU passes there unseen. Here a pair of casts rounds every float16 tensor.
    """
    if not _has_float16(model):
        return model
    types = element_types(model)
    model = type(model).FromString(model.SerializeToString())
    graph = model.graph
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
    nodes: list[NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT
        for index, tensor in enumerate(node.output):
            if types[tensor] == TensorProto.FLOAT16:
                exact, half = f"{tensor}.exact", f"{tensor}.half"
                node.output[index] = exact
                nodes.append(_cast(exact, half, TensorProto.FLOAT16))
                nodes.append(_cast(half, tensor, TensorProto.FLOAT))
    graph.CopyFrom(helper.make_graph(nodes, graph.name, graph.input, graph.output, graph.initializer))
    return model


@contextmanager
def rounded_file(model: ModelProto) -> Iterator[Path]:
    """`rounded` in a temporary file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rounded.onnx"
        onnx.save(rounded(model), path)
        yield path


def _has_float16(model: ModelProto) -> bool:
    casts = (a.i for node in model.graph.node if node.op_type == "Cast" for a in node.attribute)
    return TensorProto.FLOAT16 in (*casts, *(tensor.data_type for tensor in model.graph.initializer))


def _cast(source: str, result: str, to: int) -> NodeProto:
    return helper.make_node("Cast", [source], [result], f"{source} to {result}", to=to)
