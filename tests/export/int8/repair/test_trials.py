import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from edgeunet.errors import ModelFileError
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet_export.graph.model_file import read_model
from edgeunet_export.int8.repair.trials import Candidate, Trials, decided_by
from tests.export.int8.repair.conftest import Bench
from tests.export.scaled import change
from tests.models import toy_spec, write_toy_model


def test_the_class_is_decided_by_what_enters_argmax_or_greater(
    model: Path, binary_model: Path, foreign: Path, tmp_path: Path
) -> None:
    assert decided_by(read_model(model)[0]) == "logits"
    assert decided_by(read_model(binary_model)[0]) in ("logits", "mask.logit")
    assert decided_by(read_model(foreign)[0]) == "head"
    assert decided_by(read_model(write_toy_model(tmp_path / "toy.onnx"))[0]) == "logits"


def test_a_mask_that_no_float_decides_is_refused() -> None:
    slice_ = [helper.make_node("ReduceMax", ["frame"], ["mask"], axes=[3], keepdims=0)]
    frame = helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, 4, 4, 3])
    mask = helper.make_tensor_value_info("mask", TensorProto.UINT8, [1, 4, 4])
    model = helper.make_model(helper.make_graph(slice_, "g", [frame], [mask]))
    with pytest.raises(ModelFileError, match="from no float tensor"):
        decided_by(model)


def test_the_error_is_that_of_the_logits_over_all_frames(images: Sequence[Path], tmp_path: Path) -> None:
    """The toy model's logits are the pixel's colours; one built 10 % too bright is 0.01 off in squares."""

    def brighter(model: ModelProto, ranges: Ranges, floating: frozenset[str]) -> ModelProto:
        built = ModelProto()
        built.CopyFrom(model)
        change(built, "weight", lambda weight: weight * 1.1)
        return built

    model = read_model(write_toy_model(tmp_path / "toy.onnx"))[0]
    trials = Trials(model, toy_spec(), images, brighter)
    deviation = trials.deviation(_candidate(model))
    assert deviation.error == pytest.approx(0.01, rel=1e-3)
    assert deviation.agreement == 1.0
    assert [frame.shape for frame in trials.frames] == [(1, 32, 48, 3)] * 3


def test_what_gives_the_same_model_is_run_once(model: Path, bench: Callable[..., Bench]) -> None:
    made = bench(model)
    first = made.trials.deviation(made.plain)
    assert 0 < first.error < 0.05
    assert made.trials.deviation(made.plain) == first
    assert made.trials.evaluations == 1


def test_logits_that_are_not_finite_are_infinitely_wrong(images: Sequence[Path], tmp_path: Path) -> None:
    def broken(model: ModelProto, ranges: Ranges, floating: frozenset[str]) -> ModelProto:
        built = ModelProto()
        built.CopyFrom(model)
        change(built, "weight", lambda weight: weight * np.nan)
        return built

    model = read_model(write_toy_model(tmp_path / "toy.onnx"))[0]
    assert Trials(model, toy_spec(), images, broken).deviation(_candidate(model)).error == math.inf


def _candidate(model: ModelProto) -> Candidate:
    ranges = Ranges("", "", "train", 0, "mse", 1, 1, 0, settled=False, tensors={})
    return Candidate(model, ranges)
