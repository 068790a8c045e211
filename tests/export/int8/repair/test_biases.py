from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper

from edgeunet_export.graph.model_file import read_model
from edgeunet_export.int8.candidate import Candidate
from edgeunet_export.int8.repair.biases import corrected
from tests.export.int8.repair.conftest import Bench
from tests.export.scaled import change


class _Shifting(Candidate):
    """INT8 with the filters of a convolution 20 % too small, as rounding makes those with few large weights."""

    @cached_property
    def int8(self) -> ModelProto:
        built = super().int8
        change(built, "down.0.1.0.weight.scale", lambda scale: scale * 0.8)
        return built


def _means(bench: Bench, model: ModelProto, tensor: str) -> NDArray[np.float64]:
    values = [shown[tensor].mean(axis=(0, 2, 3), dtype=np.float64) for shown in bench.trials.observed(model, [tensor])]
    return np.asarray(np.mean(values, axis=0), dtype=np.float64)


def _convolutions(model: ModelProto) -> list[str]:
    return [node.output[0] for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose")]


def test_every_convolution_gets_its_mean_back_and_the_error_falls(model: Path, bench: Callable[..., Bench]) -> None:
    made = bench(model, _Shifting)
    result = corrected(made.plain, made.trials)
    built = result.int8
    for tensor in _convolutions(made.model.proto):
        expected = _means(made, made.model.proto, tensor)
        np.testing.assert_allclose(_means(made, built, tensor), expected, atol=1e-3 * np.abs(expected).max())
    before = _means(made, made.plain.int8, "down.0.1.0")
    assert np.abs(before - _means(made, made.model.proto, "down.0.1.0")).max() > 0.01
    assert made.trials.deviation(result).error < 0.8 * made.trials.deviation(made.plain).error


def test_only_biases_change(model: Path, bench: Callable[..., Bench]) -> None:
    made = bench(model)
    result = corrected(made.plain, made.trials)
    before, after = ({t.name: t for t in m.graph.initializer} for m in (made.plain.model.proto, result.model.proto))
    assert list(before) == list(after)
    changed = {name for name in before if before[name] != after[name]}
    assert changed
    assert all(name.endswith(".bias") for name in changed)
    assert result.ranges is made.plain.ranges


def test_a_convolution_without_a_bias_gets_one_and_a_shared_bias_is_parted(
    model: Path, tmp_path: Path, bench: Callable[..., Bench]
) -> None:
    proto = onnx.load(model)
    nodes = {node.output[0]: node for node in proto.graph.node}
    del nodes["inc.0"].input[2:]
    nodes["down.1.1.3"].input[2] = nodes["down.1.1.0"].input[2]
    unused = next(t for t in proto.graph.initializer if t.name == "down.1.1.3.bias")
    proto.graph.initializer.remove(unused)
    onnx.save(proto, tmp_path / "odd.onnx")
    made = bench(tmp_path / "odd.onnx")
    result = corrected(made.plain, made.trials)
    inputs = {node.output[0]: list(node.input) for node in result.model.proto.graph.node}
    assert inputs["inc.0"][2] == "inc.0.corrected_bias"
    assert len({inputs["down.1.1.0"][2], inputs["down.1.1.3"][2]}) == 2
    built = result.int8
    for tensor in ("inc.0", "down.1.1.0", "down.1.1.3"):
        expected = _means(made, made.model.proto, tensor)
        np.testing.assert_allclose(_means(made, built, tensor), expected, atol=1e-3 * np.abs(expected).max())


def test_a_foreign_network_is_corrected_too(foreign: Path, bench: Callable[..., Bench]) -> None:
    made = bench(foreign)
    result = corrected(made.plain, made.trials)
    names = {t.name for t in result.model.proto.graph.initializer}
    assert "transposed.corrected_bias" in names
    expected = _means(made, read_model(foreign)[0], "head")
    np.testing.assert_allclose(_means(made, result.int8, "head"), expected, atol=1e-3)
    stored = {t.name: numpy_helper.to_array(t) for t in result.model.proto.graph.initializer}
    assert stored["transposed.corrected_bias"].shape == (8,)
