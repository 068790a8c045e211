"""Confidence and familiarity from a checkpoint or another tool's network: fitted, judged, kept in the spec."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import DatasetError, UsageError
from edgeunet.evaluation.reliability import Reliability
from edgeunet.runtime import open_session
from edgeunet.runtime.model_info import describe_model
from edgeunet.runtime.model_metadata import read_spec
from edgeunet_export.calibration.frames import read_frames
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from edgeunet_export.foreign.import_model import ImportOptions, import_model
from edgeunet_export.graph.model_file import read_fp32_model, read_trust, set_spec, write_model
from edgeunet_export.trust.feature_map import feature_map
from edgeunet_export.trust.fitting import fitted
from edgeunet_export.trust.judging import judged_frames
from edgeunet_export.trust.keeping import kept_trust
from edgeunet_export.trust.making import FEWEST_TRAINING, halves, trusted
from edgeunet_export.trust.observing import ShownNetwork
from edgeunet_export.trust.output_nodes import Familiarity, with_trust
from tests.commands import Run

OPTIONS = ExportOptions(confidence=True)


@pytest.fixture(scope="module")
def made(checkpoint: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "m.onnx"
    found = export_onnx(checkpoint, path, OPTIONS, data=dataset, split="val", force=False)
    assert found.feature_map == "down.1.1.5", "the last map at a quarter of the frame"
    assert found.spec == read_spec(path)
    return path


def test_the_spec_says_what_they_mean_by_the_second_half_of_the_frames(made: Path, dataset: Path) -> None:
    trust = read_spec(made).trust
    assert trust is not None
    assert trust.judged == 1
    samples = load_split(DatasetFolder.open(dataset), "val")
    reliability = Reliability()
    with open_session(made, backend="onnxruntime") as session:
        result = session.run(samples[1].frame)
    assert result.confidence is not None
    assert result.familiarity is not None
    assert result.mean_confidence is not None
    reliability.add(
        samples[1].mask, *(result.letterbox.restore_mask(array) for array in (result.mask, result.confidence))
    )
    assert trust.error == pytest.approx(reliability.error)
    assert trust.low == (result.mean_confidence < trust.confidence_floor)
    assert trust.unfamiliar == (result.familiarity < trust.familiarity_floor)


def test_the_floor_is_below_the_first_half_and_below_training_frames_held_out(made: Path, dataset: Path) -> None:
    trust = read_spec(made).trust
    assert trust is not None
    model, spec = read_fp32_model(made)
    paths = DatasetFolder.open(dataset).image_paths("train")
    found = feature_map(model, spec.input_size)
    seen = ShownNetwork(model, spec, found).observed((frame, None) for _, frame in read_frames(paths, spec))
    _, held_out = fitted(found, seen.features, seen.largest, seen.frames)
    with open_session(made, backend="onnxruntime") as session:
        first = session.run(load_split(DatasetFolder.open(dataset), "val")[0].frame).familiarity
    assert first is not None
    assert trust.familiarity_floor == pytest.approx(min(held_out.min(), first), abs=1e-3)


@pytest.mark.parametrize("hotter", [1.0, 0.001])
def test_the_temperature_calibrates_the_half_that_it_was_fitted_on(
    hotter: float, made: Path, dataset: Path, tmp_path: Path
) -> None:
    """And another one does not."""
    model, spec = read_fp32_model(made)
    trust = read_spec(made).trust
    assert trust is not None
    familiarity = Familiarity("", np.empty(0), np.empty(0), 0.0, (1.0, 0.0))
    again = with_trust(model, spec, hotter * trust.temperature, familiarity)
    set_spec(again, spec)
    write_model(again, tmp_path / "m.onnx")
    sample = load_split(DatasetFolder.open(dataset), "val")[0]
    found = judged_frames(tmp_path / "m.onnx", [(sample.frame, sample.mask)])
    assert (found.error < 0.1) == (hotter == 1.0)


def test_tiles_have_both(checkpoint: Path, dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    export_onnx(checkpoint, path, replace(OPTIONS, tiles=(2, 2)), data=dataset, split="val", force=False)
    frame = load_split(DatasetFolder.open(dataset), "val")[0].frame
    with open_session(path) as session:
        result = session.run(frame)
        assert result.confidence is not None
        assert result.confidence.shape == session.spec.fitted_size
    assert result.familiarity is not None


def as_theirs(model: Path, path: Path) -> Path:
    """The same network as another tool exports it: planes of floats in, logits out, with a name of ours."""
    proto = onnx.load(model)
    nodes = [node for node in proto.graph.node if not node.output[0].startswith(("frame.", "mask"))]
    for node in nodes:
        node.input[:] = ["confidence" if name == "frame.centred" else name for name in node.input]
    graph = helper.make_graph(
        nodes,
        "theirs",
        [helper.make_tensor_value_info("confidence", TensorProto.FLOAT, [1, 3, 64, 96])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 5, 64, 96])],
        [value for value in proto.graph.initializer if not value.name.startswith(("mask", "mean"))],
    )
    onnx.save(helper.make_model(graph, opset_imports=proto.opset_import, ir_version=8), path)
    return path


def test_another_tool_s_network_has_both_too(model: Path, dataset: Path, tmp_path: Path) -> None:
    source = as_theirs(model, tmp_path / "theirs.onnx")
    options = ImportOptions(data=dataset, order="bgr", value_range=(-0.4, 3.6), confidence=True)
    imported = import_model(str(source), tmp_path / "m.onnx", options, force=False)
    assert imported.spec.trust is not None
    assert imported.feature_map
    with open_session(tmp_path / "m.onnx") as session:
        result = session.run(load_split(DatasetFolder.open(dataset), "val")[0].frame)
    assert result.confidence is not None
    assert result.familiarity is not None
    with pytest.raises(UsageError, match="--confidence is measured on labelled frames"):
        import_model(str(source), tmp_path / "n.onnx", replace(options, data=None), force=False)


def test_int8_is_judged_on_the_same_frames(made: Path, dataset: Path, tmp_path: Path) -> None:
    """Here with the float graph in the place of INT8: nothing moves."""
    model, spec = read_fp32_model(made)
    found = read_trust(made)
    assert found is not None
    folder = DatasetFolder.open(dataset)
    kept = kept_trust(made, model.proto, *found, spec, folder, "val")
    assert kept.before == kept.after == read_spec(made).trust
    assert kept.moved == 0
    shutil.copytree(dataset, tmp_path / "few")
    for kind in ("images", "masks"):
        sorted((tmp_path / "few" / kind / "val").iterdir())[0].unlink()
    for data, split in ((None, ""), (DatasetFolder.open(tmp_path / "few"), "val")):
        without = kept_trust(made, model.proto, *found, spec, data, split)
        assert (without.before, without.after, without.moved) == (found[1], found[1], None)


@pytest.mark.parametrize("data", ["", "photos", "unlabelled", "train", "few training images"])
def test_without_labelled_frames_it_is_refused_at_once(
    data: str, checkpoint: Path, dataset: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    if data == "photos":
        shutil.copytree(dataset / "images" / "val", folder)
    elif data:
        shutil.copytree(dataset, folder)
        if data == "unlabelled":
            shutil.rmtree(folder / "masks" / "val")
        if data == "few training images":  # of one, no frame at all would be called unfamiliar
            for image in sorted((folder / "images" / "train").iterdir())[FEWEST_TRAINING - 1 :]:
                image.unlink()
    split = "train" if data == "train" else "val"
    with pytest.raises(UsageError, match=r"--confidence is measured on labelled frames .* give --data"):
        export_onnx(checkpoint, tmp_path / "m.onnx", OPTIONS, data=folder if data else None, split=split, force=False)
    assert not (tmp_path / "m.onnx").exists()


def test_data_that_is_not_there_is_named(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere: no such dataset folder"):
        export_onnx(checkpoint, tmp_path / "m.onnx", OPTIONS, data=tmp_path / "nowhere", split="val", force=False)


def test_one_labelled_frame_is_too_few(model: Path, dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset, tmp_path / "data")
    for kind in ("images", "masks"):
        sorted((tmp_path / "data" / kind / "val").iterdir())[0].unlink()
    _, spec = read_fp32_model(model)
    with pytest.raises(UsageError, match="has one labelled frame in val"):
        halves(DatasetFolder.open(tmp_path / "data"), spec, "val")


def test_the_command_prints_it_and_info_shows_it(checkpoint: Path, dataset: Path, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "m.onnx"
    printed = run("export", "onnx", checkpoint, "-o", path, "--data", dataset, "--confidence").out
    trust = read_spec(path).trust
    assert trust is not None
    assert f"at temperature {trust.temperature:.2f}" in " ".join(printed.split())
    assert "familiarity: from the logits and down.1.1.5" in printed
    facts = describe_model(str(path), None)
    assert facts["trust"]["familiarity_floor"] == trust.familiarity_floor
    json.dumps(facts)


def test_the_same_frames_give_the_same_file(model: Path, dataset: Path) -> None:
    float_model, spec = read_fp32_model(model)
    first, again = (trusted(float_model.proto, spec, DatasetFolder.open(dataset), "val")[0] for _ in range(2))
    assert first == again
