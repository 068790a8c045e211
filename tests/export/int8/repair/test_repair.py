import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from benchmarks.studies.hard_cases import rescale_before_convolution
from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import ExportError
from edgeunet.quantisation.target import CPU
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from edgeunet_export.calibration.frames import read_frames
from edgeunet_export.graph.lint import lint
from edgeunet_export.graph.model_file import read_model
from edgeunet_export.int8.repair.layers import Latency, measured, quantised_convolutions
from edgeunet_export.int8.repair.repair import repaired
from edgeunet_export.verify.accuracy import AccuracyBudget
from tests.export.int8.repair.conftest import Bench
from tests.export.labels import write_own_labels

Make = Callable[..., Bench]


@pytest.fixture(scope="session")
def own_labels(dataset: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample frames, labelled by the float model itself: whatever changes its masks costs points."""
    return write_own_labels(model, dataset, tmp_path_factory.mktemp("own") / "data")


@pytest.fixture(scope="session")
def unlabelled(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("unlabelled") / "data"
    shutil.copytree(dataset, copy)
    shutil.rmtree(copy / "masks")
    return copy


@pytest.fixture(scope="session")
def stubborn(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Channels that differ by a thousand before an operator that no factor passes through: only float helps."""
    proto = onnx.load(model)
    rescale_before_convolution(proto)
    zero = numpy_helper.from_array(np.zeros((1, 1, 1, 1), np.float32), "nothing")
    proto.graph.initializer.append(zero)
    index, relu = next((i, n) for i, n in enumerate(proto.graph.node) if n.output[0] == "up.1.conv.2")
    relu.output[0] = "up.1.conv.1"
    proto.graph.node.insert(index + 1, helper.make_node("Add", ["up.1.conv.1", "nothing"], ["up.1.conv.2"], "add"))
    path = tmp_path_factory.mktemp("stubborn") / "stubborn.onnx"
    onnx.save(proto, path)
    return path


def test_a_model_within_its_budget_is_left_as_it_is(model: Path, own_labels: Path, bench: Make) -> None:
    made = bench(model, data=own_labels)
    result = repaired(made.task, AccuracyBudget(max_drop=20))
    assert not result.repaired
    assert [step.name for step in result.steps] == ["as calibrated"]
    assert result.layers == ()
    assert result.evaluations == 1
    assert result.accuracy.comparison.scores_a is not None
    assert result.accuracy.comparison.scores_a.miou > 0.97
    assert result.candidate is made.plain


def test_the_first_step_that_meets_the_budget_is_the_last(
    model: Path, own_labels: Path, tmp_path: Path, bench: Make
) -> None:
    proto = onnx.load(model)
    rescale_before_convolution(proto)
    onnx.save(proto, tmp_path / "hard.onnx")
    made = bench(tmp_path / "hard.onnx", data=own_labels)
    result = repaired(made.task, AccuracyBudget(max_drop=10))
    assert [step.name for step in result.steps] == ["as calibrated", "equalisation"]
    before, after = (step.accuracy for step in result.steps)
    assert before is not None
    assert after is not None
    assert before.drop is not None
    assert after.drop is not None
    assert before.drop.points > 10 >= after.drop.points
    assert result.steps[1].deviation.error < 0.1 * result.steps[0].deviation.error
    assert result.candidate.floating == frozenset()
    assert {layer.floating for layer in result.layers} == {False}


def test_what_nothing_else_repairs_stays_in_float_and_only_that(stubborn: Path, own_labels: Path, bench: Make) -> None:
    made = bench(stubborn, data=own_labels)
    result = repaired(made.task, AccuracyBudget(max_drop=10))
    assert result.repaired
    assert result.candidate.floating == {"up.1.conv.3"}
    assert "up.1.conv.3" not in quantised_convolutions(result.candidate.int8)
    assert [layer.name for layer in result.layers if layer.floating] == [result.layers[0].name] == ["up.1.conv.3"]
    assert result.layers[0].sensitivity > 10 * result.layers[1].sensitivity
    assert sum(layer.share for layer in result.layers) < 1
    assert [step.name for step in result.steps if step.kept][-1] == "1 convolution in float"
    assert AccuracyBudget(max_drop=10).met(result.accuracy)
    best = result.steps[0].deviation.error
    for step in result.steps[1:4]:  # judged only if it lowers the error
        assert (step.accuracy is not None) == (step.deviation.error < best)
        best = min(best, step.deviation.error)
    before, after = ({t.name: t for t in m.graph.initializer} for m in (made.model.proto, result.candidate.model.proto))
    assert before["out.bias"] == after["out.bias"]  # no bias correction any more
    assert not result.steps[3].kept


@pytest.mark.slow
def test_a_budget_that_cannot_be_met_says_how_close_it_came(stubborn: Path, own_labels: Path, bench: Make) -> None:
    made = bench(stubborn, data=own_labels)
    message = r"mIoU drop \+[\d.]+ points .* at best \(.*tried: equal.*in float\), expected a drop of at most 0 "
    with pytest.raises(ExportError, match=message) as caught:
        repaired(made.task, AccuracyBudget(max_drop=0))
    assert "\n" not in str(caught.value)
    assert "no file was kept" in str(caught.value)


@pytest.mark.slow
def test_without_labels_agreement_decides(stubborn: Path, unlabelled: Path, bench: Make) -> None:
    made = bench(stubborn, data=unlabelled)
    result = repaired(made.task, AccuracyBudget(min_agreement=0.95))
    assert result.accuracy.drop is None
    assert result.accuracy.comparison.agreement >= 0.95
    first = result.steps[0].accuracy
    assert first is not None
    assert first.comparison.agreement < 0.95


def test_the_cost_of_float_is_the_measured_gain_shared_out_by_multiply_adds(
    model: Path, own_labels: Path, bench: Make
) -> None:
    made = bench(model, target=CPU, data=own_labels)
    task = replace(made.task, latency=lambda int8: Latency(float_ms=30.0, int8_ms=10.0, faster=(2.9, 3.1)))
    result = repaired(task, AccuracyBudget(max_drop=50), report=True)
    assert len(result.layers) == len(quantised_convolutions(result.candidate.int8)) > 5
    costs = [layer.cost_ms for layer in result.layers if layer.cost_ms is not None]
    assert sum(costs) == pytest.approx(20.0)
    shares = {layer.name: layer.share for layer in result.layers}
    # 3x3 over 64x96 pixels from 16 channels to 8, against 3x3 over 32x48 from 8 to 16.
    assert shares["up.1.conv.0"] / shares["down.0.1.0"] == pytest.approx(4)
    assert [layer.sensitivity for layer in result.layers] == sorted(
        (x.sensitivity for x in result.layers), reverse=True
    )


def test_latencies_are_those_of_both_files(model: Path, dataset: Path) -> None:
    frame = next(read_frames(DatasetFolder.open(dataset).image_paths("val")))[1]
    latency = measured(model, model, frame, OnnxRuntimeSession)
    assert min(latency.float_ms, latency.int8_ms) > 0


@pytest.mark.slow
def test_a_foreign_network_is_repaired_where_its_parts_are_known(foreign: Path, unlabelled: Path, bench: Make) -> None:
    made = bench(foreign, data=unlabelled)
    plain = repaired(made.task, AccuracyBudget(min_agreement=0), report=True)
    assert {layer.name for layer in plain.layers} >= {"deep", "deeper", "fuse", "pointwise", "depthwise"}
    assert all(layer.sensitivity > 0 for layer in plain.layers)
    assert lint(plain.candidate.int8) == []
    worst = plain.steps[0].accuracy
    assert worst is not None
    demand = worst.comparison.agreement + 0.2 * (1 - worst.comparison.agreement)
    result = repaired(made.task, AccuracyBudget(min_agreement=demand))
    assert result.repaired
    assert result.accuracy.comparison.agreement >= demand
    assert read_model(foreign)[0] == made.model.proto
