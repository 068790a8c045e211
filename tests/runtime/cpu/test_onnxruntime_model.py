"""Graphs that ONNX Runtime breaks by its own rewriting."""

from __future__ import annotations

import numpy as np
import pytest
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


def sums() -> bytes:
    """A quantised convolution of one pixel that adds 16 products."""
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["x", "one", "zero"], ["x.uint8"]),
            helper.make_node("DequantizeLinear", ["x.uint8", "one", "zero"], ["x.rounded"]),
            helper.make_node("DequantizeLinear", ["weight", "one", "weight_zero"], ["weight.float"]),
            helper.make_node("Conv", ["x.rounded", "weight.float"], ["sums"]),
            helper.make_node("QuantizeLinear", ["sums", "scale", "zero"], ["sums.uint8"]),
            helper.make_node("DequantizeLinear", ["sums.uint8", "scale", "zero"], ["y"]),
        ],
        "sums",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 4, 4])],
        [
            numpy_helper.from_array(np.full((16, 16, 1, 1), 127, np.int8), "weight"),
            numpy_helper.from_array(np.array(1, np.float32), "one"),
            numpy_helper.from_array(np.array(16 * 127, np.float32), "scale"),
            numpy_helper.from_array(np.array(0, np.uint8), "zero"),
            numpy_helper.from_array(np.array(0, np.int8), "weight_zero"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def test_sums_of_large_8_bit_products_do_not_saturate() -> None:
    """Two products of 255 and 127 do not fit the 16 bits in which x86-64 without VNNI adds them by default."""
    x = np.full((1, 16, 4, 4), 255, np.float32)
    (found,) = OrtModel(sums(), origin="model").run(["y"], {"x": x})
    assert np.unique(found).tolist() == [255 * 16 * 127]


@pytest.mark.parametrize(("instructions", "exact"), [([], "1"), (["avx512_vnni"], "0")])
def test_slower_exact_sums_are_asked_for_only_where_the_fast_ones_are_not_exact(
    instructions: list[str], exact: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeunet.runtime.cpu.onnxruntime_model.int8_instructions", lambda: instructions)
    options = OrtModel(sums(), origin="model").session.get_session_options()
    assert options.get_session_config_entry("session.x64quantprecision") == exact
