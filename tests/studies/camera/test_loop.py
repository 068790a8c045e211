from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.studies.camera.loop import compare_loops
from benchmarks.studies.camera.plain_loop import PlainLoop
from edgeunet.errors import ModelFileError
from edgeunet.runtime import open_session
from edgeunet.spec import METADATA_KEY, ClassInfo, ModelSpec
from tests.camera.videos import write_numbered
from tests.models import write_toy_model


def write_binary_model(path: Path) -> Path:
    """One logit, normalised in the graph as an exported model is: positive where a pixel is bluer than the mean."""
    spec = ModelSpec((ClassInfo("ground", (0, 0, 0)), ClassInfo("blue", (0, 0, 255))), (32, 48))
    height, width = spec.input_size
    nodes = [
        helper.make_node("Cast", ["frame"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["chw"], perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["chw", "mean"], ["centred"]),
        helper.make_node("Conv", ["centred", "weight"], ["logit"]),
        helper.make_node("Squeeze", ["logit", "axis"], ["plane"]),
        helper.make_node("Greater", ["plane", "zero"], ["positive"]),
        helper.make_node("Cast", ["positive"], ["mask"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "binary",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, height, width, 3])],
        [helper.make_tensor_value_info("mask", TensorProto.UINT8, [1, height, width])],
        [
            numpy_helper.from_array(np.array(spec.mean, np.float32).reshape(1, 3, 1, 1), "mean"),
            numpy_helper.from_array(np.array([1, 0, 0], np.float32).reshape(1, 3, 1, 1), "weight"),
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
            numpy_helper.from_array(np.array(0, np.float32), "zero"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("write", [write_toy_model, write_binary_model])
def test_plain_loop_computes_the_same_masks(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    model = write(tmp_path / "m.onnx")
    plain = PlainLoop(model, 0.5)
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    frame = np.asarray(cv2.resize(noise, (80, 60)), np.uint8)  # less than halved: both are bilinear
    with open_session(model) as session:
        expected = session.run(frame).mask
    mask = plain.segment(frame)
    assert len(np.unique(expected)) > 1
    np.testing.assert_array_equal(mask, expected)


def test_result_holds_both_rates_of_every_round(tmp_path: Path) -> None:
    clip = write_numbered(tmp_path / "n.mp4", 12)
    result = compare_loops(write_toy_model(tmp_path / "m.onnx"), clip, rounds=3)
    assert len(result["rounds"]) == 3
    for turn in result["rounds"]:
        assert turn["ratio"] == pytest.approx(turn["loop_fps"] / turn["plain_fps"])
    assert result["median_ratio"] == sorted(turn["ratio"] for turn in result["rounds"])[1]
    assert result["worst_mask_agreement"] == 1.0


def test_wrong_input_is_named(tmp_path: Path) -> None:
    model = write_toy_model(tmp_path / "m.onnx", with_spec=False)
    with pytest.raises(ModelFileError, match="no edgeunet spec"):
        PlainLoop(model, 0.5)
