from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import onnx_session, read_fp32_model
from edgeunet_export.int8.repair.equalise import equalised
from edgeunet_export.int8.repair.trials import MASK, Trials, decided_by
from tests.export.int8.repair.conftest import Bench
from tests.export.scaled import change
from tests.marks import slow

Arrays = dict[str, NDArray[np.float32]]


def _stored(model: ModelProto) -> Arrays:
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def _changed(before: ModelProto, after: ModelProto) -> set[str]:
    old, new = _stored(before), _stored(after)
    return {name for name in old if not np.array_equal(old[name], new[name])}


def _scaled_channels(path: Path, output: Path, source: str, readers: Sequence[tuple[str, int]], factor: float) -> Path:
    """Every third channel of a convolution times `factor`, and what reads it, from an offset on, divided by it."""
    model = onnx.load(path)
    channels = len(_stored(model)[f"{source}.bias"])
    factors = np.where(np.arange(channels) % 3 == 0, factor, 1.0)
    change(model, f"{source}.weight", lambda weight: weight * factors.reshape(-1, 1, 1, 1))
    change(model, f"{source}.bias", lambda bias: bias * factors)
    for reader, offset in readers:

        def divided(weight: NDArray[np.float32], offset: int = offset) -> NDArray[np.float32]:
            weight = weight.copy()
            weight[:, offset : offset + channels] /= factors.reshape(1, -1, 1, 1)
            return weight

        change(model, f"{reader}.weight", divided)
    onnx.save(model, output)
    return output


def _error(bench: Bench, model: FloatModel) -> float:
    candidate = replace(bench.plain, model=model, ranges=bench.task.calibrate(model))
    return bench.trials.deviation(candidate).error


@pytest.mark.parametrize("name", ["model", "binary_model", "compact_model", "foreign"])
def test_the_float_model_computes_the_same_to_the_bit(
    name: str, request: pytest.FixtureRequest, images: list[Path]
) -> None:
    model, spec = read_fp32_model(request.getfixturevalue(name))
    trials = Trials(model, spec, images)
    after = equalised(model, trials)
    assert _changed(model.proto, after.proto)
    outputs = [decided_by(model), MASK]
    for old, new in zip(trials.observed(model.proto, outputs), trials.observed(after.proto, outputs), strict=True):
        for tensor in outputs:
            np.testing.assert_array_equal(old[tensor], new[tensor])


@pytest.mark.parametrize(
    ("source", "readers"),
    [
        ("inc.3", [("down.0.1.0", 0), ("up.1.conv.0", 0)]),  # a skip: pooled, and the first part of a Concat
        *slow(
            ("inc.0", [("inc.3", 0)]),
            ("up.1.up.0", [("up.1.conv.0", 8)]),  # resized, and the second part
        ),
    ],
)
def test_channels_that_the_next_convolutions_made_a_thousand_times_larger_do_no_harm(
    source: str, readers: list[tuple[str, int]], model: Path, tmp_path: Path, bench: Callable[..., Bench]
) -> None:
    ordinary = bench(model)
    good = _error(ordinary, equalised(ordinary.model, ordinary.trials))
    hard = bench(_scaled_channels(model, tmp_path / "hard.onnx", source, readers, 1000.0))
    assert _error(hard, hard.model) > 20 * good
    assert _error(hard, equalised(hard.model, hard.trials)) == pytest.approx(good, rel=0.3)


def test_grouped_filters_are_equalised_as_well(foreign: Path, tmp_path: Path, bench: Callable[..., Bench]) -> None:
    """The batch norm after a depthwise convolution makes the channels, and a pointwise one reads them."""
    proto = onnx.load(foreign)
    factors = np.where(np.arange(16) % 3 == 0, 1000.0, 1.0)
    for name in ("depthwise.norm.scale", "depthwise.norm.shift"):
        change(proto, name, lambda value: value * factors)
    change(proto, "pointwise.weight", lambda weight: weight / factors.reshape(1, -1, 1, 1))
    onnx.save(proto, tmp_path / "hard.onnx")
    hard = bench(tmp_path / "hard.onnx")
    after = equalised(hard.model, hard.trials)
    assert {"depthwise.norm.scale", "depthwise.norm.shift", "pointwise.weight"} <= _changed(
        hard.model.proto, after.proto
    )
    assert _error(hard, after) < 0.1 * _error(hard, hard.model)


def test_what_an_unknown_operator_reads_is_left_alone(model: Path, bench: Callable[..., Bench]) -> None:
    made = bench(model)
    own = {"inc.0.weight", "inc.0.bias"}
    assert own <= _changed(made.model.proto, equalised(made.model, made.trials).proto)
    proto = ModelProto()
    proto.CopyFrom(made.model.proto)
    proto.graph.output.append(helper.make_tensor_value_info("inc.2", TensorProto.FLOAT, None))
    assert own.isdisjoint(_changed(proto, equalised(FloatModel.of(proto), made.trials).proto))
    del proto.graph.output[1:]
    proto.graph.node.append(helper.make_node("Sigmoid", ["inc.2"], ["unknown"]))
    assert own.isdisjoint(_changed(proto, equalised(FloatModel.of(proto), made.trials).proto))


def test_channels_that_an_addition_ties_to_others_are_left_alone(
    compact_model: Path, bench: Callable[..., Bench]
) -> None:
    made = bench(compact_model)
    changed = _changed(made.model.proto, equalised(made.model, made.trials).proto)
    tied = {"down.1.1.3", "down.1.2.conv.3", "down.1.3.conv.3"}  # what enters the blocks, and what each adds
    assert {f"{name}.bias" for name in tied}.isdisjoint(changed)
    assert {"down.1.2.conv.0.bias", "down.1.3.conv.0.bias", "up.1.conv.0.bias"} <= changed  # inside the blocks


def test_weights_that_another_convolution_shares_are_left_alone(model: Path, bench: Callable[..., Bench]) -> None:
    made = bench(model)
    proto = ModelProto()
    proto.CopyFrom(made.model.proto)
    node = next(n for n in proto.graph.node if n.output[0] == "up.1.conv.0")
    twin = helper.make_node("Conv", [node.input[0], *node.input[1:]], ["twin"], pads=[1, 1, 1, 1])
    proto.graph.node.append(twin)
    assert "up.1.conv.0.weight" not in _changed(proto, equalised(FloatModel.of(proto), made.trials).proto)


def test_a_channel_that_is_never_on_keeps_its_weights(model: Path, bench: Callable[..., Bench], tmp_path: Path) -> None:
    proto = onnx.load(model)
    change(proto, "inc.0.bias", lambda bias: bias - 1e6 * (np.arange(len(bias)) == 2))
    onnx.save(proto, tmp_path / "dead.onnx")
    made = bench(tmp_path / "dead.onnx")
    after = equalised(made.model, made.trials)
    np.testing.assert_array_equal(_stored(proto)["inc.0.weight"][2], _stored(after.proto)["inc.0.weight"][2])
    assert onnx_session(after.proto).run(None, {"frame": made.trials.frames[0]})[0].shape == (1, 64, 96)
