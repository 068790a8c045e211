"""The network between the contract's two tensors: frame uint8 [1, H, W, C] → mask uint8 [1, H, W]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgeunet.spec import ModelSpec
from edgeunet.version import __version__
from edgeunet_export.foreign.foreign_network import ForeignNetwork
from edgeunet_export.foreign.onnx_graph.float_graph import graphs
from edgeunet_export.foreign.preprocessing import Preprocessing
from edgeunet_export.graph.float_model import MEAN, STD, copied_inputs
from edgeunet_export.graph.fragment import Fragment
from edgeunet_export.graph.model_file import set_spec

_OURS = ("frame", "mask", MEAN, STD, "order", "confidence", "familiarity")  # and names that go on with a dot


def wrapped(network: ForeignNetwork, preprocessing: Preprocessing, spec: ModelSpec) -> ModelProto:
    """One model that fits `spec`: preprocessing, network and decision in one graph, in the network's opset."""
    inner = _renamed(network.graph)
    entry, output = inner.graph.input[0].name, inner.graph.output[0].name
    graph = Fragment()
    # TensorRT takes a uint8 input only if a Cast reads it; it rejects a Transpose of uint8.
    frame = graph.add("Cast", "frame.float", ["frame"], to=TensorProto.FLOAT)
    planes = graph.add("Transpose", "frame.planes", [frame], perm=[0, 3, 1, 2])
    mean, std = (np.array(preprocessing.of_frame(v), np.float32) for v in (preprocessing.mean, preprocessing.std))
    if mean.any():
        planes = graph.add("Sub", "frame.centred", [planes, graph.constant(MEAN, mean.reshape(1, -1, 1, 1))])
    # The mean is not folded into a convolution: the zeros around its input are zeros after the mean is taken off.
    if not _folded(inner, entry, preprocessing.indices, std):
        if (std != 1).any():
            planes = graph.add("Div", "frame.scaled", [planes, graph.constant(STD, std.reshape(1, -1, 1, 1))])
        if list(preprocessing.indices) != sorted(preprocessing.indices):
            order = graph.constant("order", np.array(preprocessing.indices, np.int64))
            planes = graph.add("Gather", "frame.ordered", [planes, order], axis=1)
    for node in inner.graph.node:
        node.input[:] = [planes if tensor == entry else tensor for tensor in node.input]
    graph.nodes += inner.graph.node
    graph.initializers += inner.graph.initializer
    network.ending.add_to(graph, output, network.size)
    proto = helper.make_graph(
        graph.nodes,
        "edgeunet",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, *spec.frame_shape])],
        [helper.make_tensor_value_info("mask", TensorProto.UINT8, [1, *spec.input_size])],
        _used(graph),
    )
    model = helper.make_model(
        proto,
        opset_imports=inner.opset_import,
        ir_version=inner.ir_version,
        producer_name="edgeunet",
        producer_version=__version__,
    )
    set_spec(model, spec)
    return model


def _folded(model: ModelProto, entry: str, indices: tuple[int, ...], std: NDArray[np.float32]) -> bool:
    """Move order and scale of the channels into the convolution that reads the input; False if it is not so simple."""
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    readers = _readers(model, entry)
    while len(readers) == 1 and readers[0].op_type == "Pad" and copied_inputs(readers[0], stored):
        readers = _readers(model, readers[0].output[0])  # zeros are zeros in every scale
    if len(readers) != 1 or readers[0].op_type != "Conv" or readers[0].input[1] not in stored:
        return False
    weights = stored[readers[0].input[1]]  # (out, in, height, width)
    if weights.shape[1] != len(indices):  # grouped
        return False
    folded = weights[:, list(indices)] / std.reshape(1, -1, 1, 1)
    name = f"{readers[0].input[1]}.folded"
    readers[0].input[1] = name
    model.graph.initializer.append(numpy_helper.from_array(folded.astype(np.float32), name))
    return True


def _readers(model: ModelProto, tensor: str) -> list[NodeProto]:
    return [node for node in model.graph.node if tensor in node.input]


def _renamed(model: ModelProto) -> ModelProto:
    """A copy without names that are ours; each node has a name of its own."""
    model = type(model).FromString(model.SerializeToString())
    taken: set[str] = set()
    for graph in graphs(model.graph):
        for value in (*graph.input, *graph.output, *graph.initializer):
            value.name = _name(value.name)
        for node in graph.node:
            node.input[:] = map(_name, node.input)
            node.output[:] = map(_name, node.output)
            node.name = _name(node.name or node.output[0])
            if node.name in taken:  # ONNX Runtime wants each once
                node.name = f"{node.output[0]} of {node.op_type}"
            taken.add(node.name)
    return model


def _name(name: str) -> str:
    return f"net/{name}" if name.split(".")[0] in _OURS else name


def _used(graph: Fragment) -> list[TensorProto]:
    read = {name for node in graph.nodes for name in node.input}
    return [tensor for tensor in graph.initializers if tensor.name in read]
