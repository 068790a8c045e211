"""A graph for one size of frames, without what does not depend on the frame."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgeunet.runtime.cpu.onnxruntime_model import write_basic_graph
from edgeunet_export.foreign.onnx_graph.float_graph import inner_nodes
from edgeunet_export.foreign.onnx_graph.image_input import ImageInput
from edgeunet_export.graph.float_model import attribute


def fixed(model: ModelProto, image: ImageInput, size: tuple[int, int]) -> ModelProto:
    """A copy that takes one frame of (height, width), float32 in the layout of the input. What is known of other
    tensors' shapes is forgotten.
    """
    model = type(model).FromString(model.SerializeToString())
    graph = model.graph
    stored = {tensor.name for tensor in graph.initializer}
    kept = [value for value in graph.input if value.name not in stored]
    del graph.input[:]
    graph.input.extend(kept)
    shape = (1, *size, image.channels) if image.channels_last else (1, image.channels, *size)
    graph.input[0].CopyFrom(helper.make_tensor_value_info(image.name, TensorProto.FLOAT, shape))
    del graph.value_info[:]
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")
    return model


def simplified(model: ModelProto, origin: str) -> ModelProto:
    """The same graph, by ONNX Runtime's basic rules: shapes become constants, batch norms part of convolutions."""
    with TemporaryDirectory(prefix="edgeunet-import-") as folder:
        path = Path(folder) / "basic.onnx"
        write_basic_graph(model.SerializeToString(), path, origin=origin)
        basic = onnx.load(path)
    used = {node.domain for node in basic.graph.node}
    opsets = [entry for entry in basic.opset_import if entry.domain in used | {""}]  # it declares all that it knows
    del basic.opset_import[:]
    basic.opset_import.extend(opsets)
    return basic


def planes_first(model: ModelProto, image: ImageInput, size: tuple[int, int]) -> ModelProto:
    """The graph with an input [1, channels, height, width], also where the tool has channels last: it begins with a
    Transpose then, or without the one that it began with.
    """
    if not image.channels_last:
        return model
    graph, last = model.graph, f"{image.name}.last"
    cancelled = {node.output[0] for node in graph.node if node.input[:1] == [image.name] and _turns_back(node)}
    renamed = {image.name: last, **dict.fromkeys(cancelled, image.name)}
    nodes = [node for node in graph.node if node.output[0] not in cancelled]
    for reader in (inner for node in nodes for inner in (node, *inner_nodes(node))):
        reader.input[:] = [renamed.get(tensor, tensor) for tensor in reader.input]
    del graph.node[:]
    graph.node.append(helper.make_node("Transpose", [image.name], [last], last, perm=[0, 2, 3, 1]))
    graph.node.extend(nodes)
    shape = [1, image.channels, *size]
    graph.input[0].CopyFrom(helper.make_tensor_value_info(image.name, TensorProto.FLOAT, shape))
    return model


def padded(model: ModelProto, size: tuple[int, int]) -> ModelProto:
    """The graph with an input of (height, width): zeros follow its last row and column, up to the size that it took."""
    graph = model.graph
    name, dims = graph.input[0].name, [entry.dim_value for entry in graph.input[0].type.tensor_type.shape.dim]
    for node in (inner for outer in graph.node for inner in (outer, *inner_nodes(outer))):
        node.input[:] = [f"{name}.padded" if tensor == name else tensor for tensor in node.input]
    pads = np.array([0] * 6 + [dims[2] - size[0], dims[3] - size[1]], np.int64)
    graph.initializer.append(numpy_helper.from_array(pads, f"{name}.pads"))
    graph.node.insert(0, helper.make_node("Pad", [name, f"{name}.pads"], [f"{name}.padded"], f"{name}.padded"))
    graph.input[0].CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, [*dims[:2], *size]))
    return model


def _turns_back(node: NodeProto) -> bool:
    return node.op_type == "Transpose" and attribute(node, "perm", []) == [0, 3, 1, 2]
