"""OpenVINO searches for the classes in planes, and finds what it would find without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeunet.runtime import open_session
from edgeunet.runtime.cpu.openvino_search import search_in_planes
from edgeunet.runtime.cpu.openvino_session import core
from tests.models import toy_mask, toy_spec, write_toy_model

openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
CLASSES, SIZE = 5, (6, 8)


def kinds(model: Any) -> list[str]:
    return [node.get_type_name() for node in model.get_ops()]


def ranks(model: Any) -> list[int]:
    """Of what is searched."""
    return [len(n.input_value(0).get_partial_shape()) for n in model.get_ops() if n.get_type_name() == "TopK"]


def test_the_class_is_searched_for_in_planes_and_the_first_of_equals_is_found(tmp_path: Path) -> None:
    """Each pixel has one of two values in each channel, so that most have equal logits."""
    path = write_toy_model(tmp_path / "m.onnx", toy_spec((16, 24)))
    model = core().read_model(path)
    search_in_planes(openvino, model)
    assert ranks(model) == [3]
    frame = np.random.default_rng(0).integers(0, 2, (16, 24, 3), np.uint8) * np.uint8(200)
    with open_session(path, backend="openvino") as session:
        assert np.array_equal(session.run(frame).mask, toy_mask(frame))


def test_a_search_of_a_size_known_at_its_run_only_is_left_as_it_is() -> None:
    opset = openvino.opset13
    logits = opset.parameter([1, 5, -1, 8], np.float32)
    model = openvino.Model([opset.topk(logits, opset.constant(1), 1, "max", "none").output(1)], [logits])
    search_in_planes(openvino, model)
    assert ranks(model) == [4]


def doubling(
    batch: int = 1,
    channels: int = 8,
    *,
    bias: bool = True,
    stride: int = 2,
    best: int = 1,
    logits: bool = False,
    values: bool = False,
) -> Any:
    """A transposed convolution of 2×2 and the search for the largest logit. logits, values: are outputs too."""
    opset, rng = openvino.opset13, np.random.default_rng(0)
    x = opset.parameter([batch, channels, *SIZE], np.float32)
    weights = rng.integers(-1, 2, (channels, CLASSES, 2, 2)).astype(np.float32)  # so that many logits are equal
    out = opset.convolution_backprop_data(x, weights, [stride, stride])
    if bias:
        out = opset.add(out, rng.integers(-1, 2, (1, CLASSES, 1, 1)).astype(np.float32))
    found = opset.topk(out, opset.constant(best), 1, "max", "index", stable=True)
    outputs = [found.output(1), *([out.output(0)] if logits else []), *([found.output(0)] if values else [])]
    return openvino.Model(outputs, [x])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("bias", [True, False])
def test_behind_a_layer_that_doubles_the_size_each_place_of_a_square_is_searched(batch: int, bias: bool) -> None:
    x = np.random.default_rng(1).integers(-1, 2, (batch, 8, *SIZE)).astype(np.float32)
    expected = core().compile_model(doubling(batch, bias=bias), "CPU")([x])[0]
    model = doubling(batch, bias=bias)
    search_in_planes(openvino, model)
    assert ranks(model) == [3] * 4
    assert "ConvolutionBackpropData" not in kinds(model)
    assert np.array_equal(core().compile_model(model, "CPU")([x])[0], expected)
    assert len(np.unique(expected)) == CLASSES


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(doubling(logits=True), id="its logits are read"),
        pytest.param(doubling(values=True), id="the largest logit is read"),
        pytest.param(doubling(stride=1), id="its squares overlap"),
        pytest.param(doubling(channels=16), id="it would cost more"),
        pytest.param(doubling(best=2), id="the two best are searched for"),
    ],
)
def test_another_layer_keeps_its_logits_and_is_searched_as_one(model: Any) -> None:
    search_in_planes(openvino, model)
    assert ranks(model) == [3]
    assert "ConvolutionBackpropData" in kinds(model)
