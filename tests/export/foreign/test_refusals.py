"""What is no network for the contract: one line each, with the way on, and no file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeunet.errors import EdgeUNetError, ModelFileError, UsageError
from edgeunet_export.foreign.import_model import import_model
from tests.export.foreign.foreign_models import CLASSES, FLOAT, SIZE, NetworkFile
from tests.export.foreign.test_import_model import SAID
from tests.models import write_toy_model


def _boxes() -> NetworkFile:
    network = NetworkFile().body(shrink=8)
    return network.add("Reshape", network.exact(np.array([1, CLASSES, -1], np.int64))).result("boxes")


def _two_images() -> NetworkFile:
    network = NetworkFile()
    network.inputs.append(helper.make_tensor_value_info("depth", FLOAT, [1, 3, *SIZE]))
    return network.body().result()


def _without_rank() -> NetworkFile:
    network = NetworkFile()
    network.inputs[0] = helper.make_tensor_value_info("input", FLOAT, None)
    return network.body().result()


def _two_candidates() -> NetworkFile:
    network = NetworkFile().conv(8)
    body = network.tensor
    network.conv(CLASSES).result("a")
    network.tensor, network.channels = body, 8
    return network.conv(CLASSES).result("b")


def _not_finite() -> NetworkFile:
    network = NetworkFile().body()
    return network.add("Div", network.constant(np.zeros(1, np.float32))).result()


def _hidden_nan() -> NetworkFile:
    network = NetworkFile().body().add("Mul", "nan").add("ArgMax", axis=1, keepdims=0)
    network.stored.append(numpy_helper.from_array(np.array(np.nan, np.float32), "nan"))
    return network.result("classes", TensorProto.INT64)


def _random() -> NetworkFile:
    network = NetworkFile().body()
    network.nodes.append(helper.make_node("RandomNormalLike", [network.tensor], ["noise"]))
    return network.add("Add", "noise").result()


def _beyond_a_byte() -> NetworkFile:
    network = NetworkFile().body().add("ArgMax", axis=1, keepdims=0)
    return network.add("Mul", network.exact(np.array(256, np.int64))).result("classes", TensorProto.INT64)


def _ignoring(dtype: int, number: int) -> NetworkFile:
    """A class map with another number where the class is 2."""
    network = NetworkFile().body().add("ArgMax", axis=1, keepdims=0)
    classes = network.tensor
    at = network.add("Equal", network.exact(np.array(2, np.int64))).tensor
    network.add("Where", network.exact(np.array(number, np.int64)), classes, first=at)
    return network.add("Cast", to=dtype).result("classes", dtype)


def _quantised() -> NetworkFile:
    network = NetworkFile()
    scale, zero = network.constant(np.array(0.1, np.float32)), network.exact(np.array(0, np.int8))
    return network.add("QuantizeLinear", scale, zero).add("DequantizeLinear", scale, zero).body().result()


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (
            lambda: NetworkFile().body().add("GlobalAveragePool").add("Flatten").result(),
            r"not a segmentation .* \[1, 5",
        ),
        (_boxes, r"not a segmentation network .* boxes float32 \[1, 5, 48\]"),
        (_two_images, r"2 inputs \(input, depth\), and one image is expected"),
        (_without_rank, "does not say how many dimensions"),
        (_two_candidates, "several outputs .*--output-name a or b"),
        (_not_finite, "not finite"),
        (_hidden_nan, "not finite"),
        (_random, "gives other masks when it sees the same frame again"),
        (_beyond_a_byte, "numbers that are no class .* export it without that step, or with its scores"),
        (lambda: _ignoring(TensorProto.INT64, -1), "numbers that are no class"),
        (lambda: _ignoring(TensorProto.INT32, 255), "numbers that are no class"),
        (lambda: _ignoring(TensorProto.FLOAT, -1), "numbers that are no class"),
        (lambda: NetworkFile((1, 3, 9999, 9999)).body().result(), "a side of the input of .* 1 to 4,096, got 9999"),
        (_quantised, "quantised already .QuantizeLinear.: import the float network"),
        (lambda: NetworkFile((4, 3, *SIZE)).body().result(), "takes 4 frames at once: export it for one"),
        (lambda: NetworkFile((1, 3, 64)).body().result(), r"input \[1, 3, 64\] .* is not an image"),
        (lambda: NetworkFile((1, 7, *SIZE)).body().result(), "neither 1, 3 nor 4 channels"),
        (lambda: NetworkFile((1, 3, *SIZE), TensorProto.INT32).body().result(), "not float32, float16 or uint8"),
        (lambda: NetworkFile().body().add("Gelu", domain="com.microsoft").result(), "Gelu of com.microsoft, which is"),
    ],
)
def test_a_network_that_cannot_be_taken(tmp_path: Path, network: Callable[[], NetworkFile], said: str) -> None:
    refuses(network().save(tmp_path / "theirs.onnx"), said)


def refuses(path: Path, said: str) -> None:
    with pytest.raises(EdgeUNetError, match=said) as raised:
        import_model(str(path), path.with_name("ours.onnx"), SAID, force=False)
    assert "\n" not in str(raised.value)
    assert not path.with_name("ours.onnx").exists()


def test_files_that_are_no_networks(tmp_path: Path) -> None:
    refuses(tmp_path / "nothing.onnx", "no such network: give a .onnx file")
    (tmp_path / "network.py").write_text("def build(): ...")
    refuses(tmp_path / "network.py", "is Python code: give the function")
    whole = NetworkFile().body().result().save(tmp_path / "whole.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(whole[: len(whole) // 2])
    refuses(tmp_path / "cut.onnx", "not a model in the ONNX format")


def test_an_opset_that_does_not_exist_yet_is_named(tmp_path: Path) -> None:
    refuses(NetworkFile().body().result().save(tmp_path / "theirs.onnx", opset=99), "opset 99, .* with opset 17")


def test_a_model_of_edgeunet_needs_no_import(tmp_path: Path) -> None:
    refuses(write_toy_model(tmp_path / "toy.onnx"), "a model of edgeunet already")


def test_a_size_and_an_output_that_it_does_not_have(tmp_path: Path) -> None:
    path = NetworkFile().body().result().save(tmp_path / "theirs.onnx")
    for options, said in (
        (replace(SAID, size=(64, 64)), "48x64 only"),
        (replace(SAID, output="x"), "is one of logits"),
    ):
        with pytest.raises(UsageError, match=said):
            import_model(str(path), tmp_path / "ours.onnx", options, force=False)


def test_weights_in_another_file_are_neither_lost_nor_replaced(tmp_path: Path) -> None:
    path = NetworkFile().body().result().save(tmp_path / "theirs.onnx")
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.onnx", size_threshold=0)
    weights = (tmp_path / "weights.onnx").read_bytes()
    with pytest.raises(UsageError, match="is also THEIRS"):
        import_model(str(path), tmp_path / "weights.onnx", SAID, force=True)
    assert (tmp_path / "weights.onnx").read_bytes() == weights
    (tmp_path / "weights.onnx").rename(tmp_path / "blob")
    (tmp_path / "weights.onnx").symlink_to(tmp_path / "blob")
    with pytest.raises(ModelFileError, match=r"weights.onnx, which is a link: copy the file itself"):
        import_model(str(path), tmp_path / "ours.onnx", SAID, force=False)
    (tmp_path / "weights.onnx").unlink()
    with pytest.raises(ModelFileError, match=r"keeps its weights in weights.onnx, which is missing"):
        import_model(str(path), tmp_path / "ours.onnx", SAID, force=False)


def test_labelled_frames_are_no_advice_where_only_the_size_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"give --size HEIGHTxWIDTH, as it takes frames of any size$"):
        import_model("package.module:build", tmp_path / "m.onnx", SAID, force=False)
