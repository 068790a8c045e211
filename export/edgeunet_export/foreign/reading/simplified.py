"""A graph for one size of frames, without what does not depend on the frame."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnx import ModelProto

from edgeunet.runtime.cpu.onnxruntime_model import write_basic_graph
from edgeunet_export.foreign.reading.image_input import ImageInput


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
    graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info(image.name, onnx.TensorProto.FLOAT, shape))
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
