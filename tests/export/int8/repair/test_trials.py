import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from edgeunet.errors import ModelFileError
from edgeunet.imaging.tiling import fitted_tiles
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import TENSORRT
from edgeunet_export.calibration.frames import read_frames
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import read_fp32_model
from edgeunet_export.int8.candidate import Candidate
from edgeunet_export.int8.repair.trials import Trials, decided_by
from tests.export.int8.repair.conftest import Bench
from tests.export.scaled import change
from tests.models import toy_spec, write_toy_model


def test_the_class_is_decided_by_what_enters_argmax_or_greater(
    model: Path, binary_model: Path, foreign: Path, tmp_path: Path
) -> None:
    assert decided_by(read_fp32_model(model)[0]) == "logits"
    assert decided_by(read_fp32_model(binary_model)[0]) in ("logits", "mask.logit")
    assert decided_by(read_fp32_model(foreign)[0]) == "head"
    assert decided_by(read_fp32_model(write_toy_model(tmp_path / "toy.onnx"))[0]) == "logits"


def test_a_mask_that_no_float_decides_is_refused() -> None:
    slice_ = [helper.make_node("ReduceMax", ["frame"], ["mask"], axes=[3], keepdims=0)]
    frame = helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, 4, 4, 3])
    mask = helper.make_tensor_value_info("mask", TensorProto.UINT8, [1, 4, 4])
    model = helper.make_model(helper.make_graph(slice_, "g", [frame], [mask]))
    with pytest.raises(ModelFileError, match="from no float tensor"):
        decided_by(FloatModel.of(model))


def test_the_error_is_that_of_the_logits_over_all_frames(images: Sequence[Path], tmp_path: Path) -> None:
    """The toy model's logits are the pixel's colours; one that is 10 % too bright is 0.01 off in squares."""
    model = read_fp32_model(write_toy_model(tmp_path / "toy.onnx"))[0]
    trials = Trials(model, toy_spec(), images)
    deviation = trials.deviation(_brighter(model, 1.1))
    assert deviation.error == pytest.approx(0.01, rel=1e-3)
    assert deviation.agreement == 1.0
    assert [frame.shape for frame in trials.frames] == [(1, 32, 48, 3)] * 3


def test_of_a_frame_in_tiles_one_is_tried_and_of_the_next_frame_another(images: Sequence[Path], tmp_path: Path) -> None:
    model = read_fp32_model(write_toy_model(tmp_path / "toy.onnx"))[0]
    spec = replace(toy_spec(), tiles=(2, 1))
    tried = Trials(model, spec, images[:3]).frames
    tiles = [fitted_tiles(frame, spec) for _, frame in read_frames(images[:3], spec)]
    assert all(np.array_equal(a, b) for a, b in zip(tried, (tiles[0][0], tiles[1][1], tiles[2][0]), strict=True))


def test_what_gives_the_same_model_is_run_once(model: Path, bench: Callable[..., Bench]) -> None:
    made = bench(model)
    first = made.trials.deviation(made.plain)
    assert 0 < first.error < 0.05
    assert made.trials.deviation(made.plain) == first
    assert made.trials.evaluations == 1


def test_a_rough_look_takes_a_few_frames_and_the_whole_one_only_the_others(
    images: Sequence[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = read_fp32_model(write_toy_model(tmp_path / "toy.onnx"))[0]
    trials, whole = (Trials(model, toy_spec(), [*images, *images, images[0]]) for _ in range(2))
    run: list[int] = []
    observed = trials.observed

    def counting(proto: ModelProto, tensors: Sequence[str], frames: Sequence[int]) -> object:
        run.extend(frames)
        return observed(proto, tensors, frames)

    monkeypatch.setattr(trials, "observed", counting)
    brighter = _brighter(model, 1.1)
    assert trials.deviation(brighter, rough=True).error == pytest.approx(0.01, rel=1e-3)
    assert run == [0, 3, 6]
    assert trials.deviation(brighter) == whole.deviation(brighter)
    assert run == [0, 3, 6, 1, 2, 4, 5]
    assert trials.evaluations == 1


def test_logits_that_are_not_finite_are_infinitely_wrong(images: Sequence[Path], tmp_path: Path) -> None:
    model = read_fp32_model(write_toy_model(tmp_path / "toy.onnx"))[0]
    assert Trials(model, toy_spec(), images).deviation(_brighter(model, np.nan)).error == math.inf


def _brighter(model: FloatModel, factor: float) -> Candidate:
    """The model itself in place of an INT8 one, with its logits times a factor."""
    ranges = Ranges("", "", "train", 0, "mse", 1, 1, 0, settled=False, tensors={})
    candidate = Candidate.of(model, ranges, TENSORRT)
    built = ModelProto()
    built.CopyFrom(model.proto)
    change(built, "weight", lambda weight: weight * factor)
    candidate.__dict__["int8"] = built
    return candidate
