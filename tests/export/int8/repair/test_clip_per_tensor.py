from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import ModelProto, numpy_helper

from benchmarks.studies.hard_cases import add_outliers
from edgeunet.data.dataset import DatasetFolder
from edgeunet_export.calibration.frames import read_frames
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import read_model
from edgeunet_export.int8.quantize import quantized
from edgeunet_export.int8.repair.clip_per_tensor import chosen
from edgeunet_export.int8.repair.layers import quantised_convolutions
from tests.export.int8.repair.conftest import Bench


def test_the_tensor_with_outliers_is_clipped_and_the_error_falls(
    model: Path, dataset: Path, tmp_path: Path, bench: Callable[..., Bench]
) -> None:
    proto, spec = read_model(model)
    frames = [frame for _, frame in read_frames(DatasetFolder.open(dataset).image_paths("train")[:3])]
    add_outliers(proto, frames, spec)
    onnx.save(proto, tmp_path / "outliers.onnx")
    made = bench(tmp_path / "outliers.onnx")
    grown = [
        t.name
        for t, u in zip(proto.graph.initializer, onnx.load(model).graph.initializer, strict=True)
        if numpy_helper.to_array(t).shape != numpy_helper.to_array(u).shape
    ]
    assert grown == ["up.1.conv.0.weight", "up.1.conv.0.bias", "up.1.conv.3.weight"]
    best = chosen(made.plain, made.trials)
    before, after = made.trials.deviation(made.plain), made.trials.deviation(best)
    assert after.error < 0.5 * before.error
    outlier = best.ranges.tensors["up.1.conv.2"]
    assert outlier.clips[outlier.method] < 0.5 * outlier.clips["minmax"]
    assert outlier.clips == made.plain.ranges.tensors["up.1.conv.2"].clips


def test_tensors_may_end_with_different_methods_each_better_than_the_same_for_all(
    model: Path, bench: Callable[..., Bench]
) -> None:
    made = bench(model)
    best = chosen(made.plain, made.trials)
    used = {entry.method for entry in best.ranges.tensors.values()}
    uniform = [made.plain.ranges.with_methods(dict.fromkeys(made.plain.ranges.tensors, m)) for m in ("minmax", "mse")]
    errors = [made.trials.deviation(replace(best, ranges=ranges)).error for ranges in uniform]
    assert made.trials.deviation(best).error < min(errors)
    assert len(used) > 1
    assert made.trials.evaluations < 4 * len(best.ranges.tensors)


def test_trained_ranges_have_no_other_methods_and_stay(model: Path, bench: Callable[..., Bench]) -> None:
    made = bench(model)
    tensors = {
        name: replace(entry, clips={"trained": entry.clips["mse"]}, method="trained")
        for name, entry in made.plain.ranges.tensors.items()
    }
    trained = replace(made.plain, ranges=replace(made.plain.ranges, tensors=tensors))
    assert chosen(trained, made.trials) == trained


def test_only_tensors_that_the_int8_model_reads_are_tried(
    model: Path, bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tensor that only float operators read changes nothing, and a model takes long to build."""
    made = bench(model)
    floating = made.plain.in_float(quantised_convolutions(made.plain.int8)[1:])
    built: list[FloatModel] = []

    def counting(model: FloatModel, *given: Any) -> ModelProto:
        built.append(model)
        return quantized(model, *given)

    monkeypatch.setattr("edgeunet_export.int8.candidate.quantized", counting)
    chosen(floating, made.trials)
    assert len(built) < len(floating.ranges.tensors)
