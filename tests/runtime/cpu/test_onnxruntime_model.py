"""Graphs that ONNX Runtime breaks by its own rewriting."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from edgeunet.runtime.cpu.onnxruntime_model import OrtModel


def rounded(tensor: str, result: str) -> list[NodeProto]:
    return [
        helper.make_node("QuantizeLinear", [tensor, "scale", "zero"], [f"{tensor}.int8"]),
        helper.make_node("DequantizeLinear", [f"{tensor}.int8", "scale", "zero"], [result]),
    ]


def test_a_concatenation_with_float16_scales_runs() -> None:
    """As of `export int8 --precision int8+fp16`: ONNX Runtime makes a QLinearConcat of it and refuses that."""
    graph = helper.make_graph(
        [
            *rounded("one", "one.rounded"),
            *rounded("other", "other.rounded"),
            helper.make_node("Concat", ["one.rounded", "other.rounded"], ["both"], axis=1),
            *rounded("both", "y"),
        ],
        "concatenation",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT16, [1, 1]) for name in ("one", "other")],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, [1, 2])],
        [
            numpy_helper.from_array(np.array(0.5, np.float16), "scale"),
            numpy_helper.from_array(np.array(0, np.int8), "zero"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    inputs = {"one": np.array([[1.2]], np.float16), "other": np.array([[-3]], np.float16)}
    (found,) = OrtModel(model.SerializeToString(), origin="model").run(["y"], inputs)
    assert found.tolist() == [[1.0, -3.0]]
