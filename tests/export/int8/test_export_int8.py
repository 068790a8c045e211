import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

from edgeunet.errors import DatasetError, ExportError, MismatchError, ModelFileError, OutputError, UsageError
from edgeunet.quantisation.clipping import METHODS
from edgeunet.quantisation.placement import Placement, place
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import TENSORRT
from edgeunet.samples import CLIP
from edgeunet.utils.files import sha256
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.lint import lint
from edgeunet_export.graph.model_file import onnx_session, read_model
from edgeunet_export.int8.export_int8 import Int8Options, Quantization, export_int8
from edgeunet_export.int8.quantize import quantized
from edgeunet_export.verify.accuracy import AccuracyBudget
from tests.export.networks import ranges_for
from tests.export.scaled import change, scaled
from tests.marks import slow
from tests.models import write_toy_model


def _export(source: Path, output: Path, options: Int8Options) -> Quantization:
    return export_int8(source, output, options, force=False)


@pytest.mark.parametrize("method", ["entropy", *slow(*sorted(METHODS.keys() - {"entropy"}))])
def test_the_int8_model_gives_nearly_the_same_masks(method: str, model: Path, dataset: Path, tmp_path: Path) -> None:
    result = _export(model, tmp_path / "int8.onnx", Int8Options(dataset, method=method))
    assert result.repair.accuracy.comparison.frames == 2
    assert 0.98 <= result.repair.accuracy.comparison.agreement < 1.0
    assert result.repair.accuracy.comparison.scores_a is not None
    assert result.repair.accuracy.comparison.scores_b is not None
    assert (result.ranges.images, result.placement.left_float) == (9, {})
    assert lint(onnx.load(tmp_path / "int8.onnx")) == []


def test_photos_calibrate_and_agreement_decides(model: Path, dataset: Path, tmp_path: Path) -> None:
    photos = dataset / "images" / "train"
    result = _export(model, tmp_path / "int8.onnx", Int8Options(photos))
    accuracy = result.repair.accuracy
    assert (result.ranges.images, accuracy.comparison.frames, result.ranges.split) == (5, 4, "")
    assert accuracy.drop is None
    assert 0.98 <= accuracy.comparison.agreement < 1.0
    with pytest.raises(ExportError, match=r"expected agreement on at least 100\.00% \(--min-agreement\)"):
        _export(model, tmp_path / "exact.onnx", Int8Options(photos, budget=AccuracyBudget(min_agreement=1.0)))
    assert not (tmp_path / "exact.onnx").exists()


def test_a_video_calibrates(model: Path, tmp_path: Path) -> None:
    result = _export(model, tmp_path / "int8.onnx", Int8Options(CLIP, images=4))
    assert (result.ranges.images, result.repair.accuracy.comparison.frames) == (4, 4)


def test_int8_with_fp16_is_opset_19_and_has_no_float32_left(model: Path, dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "int8.onnx"
    result = _export(model, output, Int8Options(dataset, precision="int8+fp16"))
    assert result.repair.accuracy.comparison.agreement >= 0.98
    assert result.wide == ()
    proto, spec = read_model(output)
    assert spec.provenance.precision == "int8+fp16"
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 19)]
    assert proto.ir_version == 9
    types = {tensor.name: tensor.data_type for tensor in proto.graph.initializer}
    scales = {n.input[1] for n in proto.graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")}
    assert {types[name] for name in scales} == {TensorProto.FLOAT16}
    assert [name for name, t in types.items() if t == TensorProto.FLOAT and not name.endswith(".scales")] == []
    assert lint(proto) == []
    frame = np.zeros((1, 64, 96, 3), np.uint8)
    assert onnxruntime.InferenceSession(output).run(["mask"], {"frame": frame})[0].shape == (1, 64, 96)


@pytest.mark.parametrize("target", ["tensorrt", "onnxruntime"])
def test_without_a_repair_shapes_are_inferred_and_pairs_are_placed_once(
    target: str, model: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inferred: list[str] = []
    placed: list[Placement] = []
    infer = onnx.shape_inference.infer_shapes

    def counted_inference(proto: ModelProto) -> ModelProto:
        inferred.append("int8" if any(node.op_type == "QuantizeLinear" for node in proto.graph.node) else "float")
        return infer(proto)

    def counted_placement(*arguments: Any) -> Placement:
        placed.append(place(*arguments))
        return placed[-1]

    monkeypatch.setattr("onnx.shape_inference.infer_shapes", counted_inference)
    for module in ("export_int8", "candidate"):
        monkeypatch.setattr(f"edgeunet_export.int8.{module}.place", counted_placement)
    options = Int8Options(dataset, images=2, target=target, budget=AccuracyBudget(max_drop=100))
    assert not _export(model, tmp_path / "int8.onnx", options).repair.repaired
    # The lint reads the written file for TensorRT once more.
    assert inferred == (["float", "int8"] if target == "tensorrt" else ["float"])
    assert len(placed) == 1


def test_scales_in_float16_are_those_that_the_weights_were_divided_by(model: Path) -> None:
    """Also where they are below float16's normal numbers, which have fewer digits, or below its least one."""
    proto = onnx.load(model)
    size = np.array([1e-3] * 15 + [1e-8]).reshape(-1, 1, 1, 1)
    change(proto, "down.0.1.0.weight", lambda weight: weight * size)
    before = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}["down.0.1.0.weight"]
    placement = place(FloatModel.of(proto).graph, TENSORRT)
    half = quantized(FloatModel.of(proto), placement, ranges_for(placement), np.float16)
    stored = {t.name: numpy_helper.to_array(t) for t in half.graph.initializer}
    scale = stored["down.0.1.0.weight.scale"]
    np.testing.assert_array_equal(scale, scale.astype(np.float16))
    assert (scale > 0).all()
    restored = stored["down.0.1.0.weight.int8"] * scale.reshape(-1, 1, 1, 1)
    assert (np.abs(restored - before) <= 0.501 * scale.reshape(-1, 1, 1, 1)).all()


def test_what_overflows_is_left_in_float32(model: Path, dataset: Path, tmp_path: Path) -> None:
    proto = onnx.load(scaled(model, tmp_path / "m.onnx", 1e6))
    result = _export(tmp_path / "m.onnx", tmp_path / "int8.onnx", Int8Options(dataset, precision="int8+fp16"))
    assert result.wide == ("inc.0", "inc.3")
    assert result.repair.accuracy.comparison.agreement >= 0.98
    assert len(result.placement.convolutions) == len(place(FloatModel.of(proto).graph, TENSORRT).convolutions) - 1


def test_the_file_is_smaller_and_says_where_it_comes_from(model: Path, dataset: Path, tmp_path: Path) -> None:
    output = tmp_path / "int8.onnx"
    result = _export(model, output, Int8Options(dataset, method="minmax", images=4))
    proto, spec = read_model(output)
    origin = spec.provenance
    assert (origin.precision, origin.target, origin.calibration) == ("int8", "tensorrt", "minmax, 4 images")
    assert origin.parent_sha256 == sha256(model)
    assert origin.calibration_sha256 == result.ranges.images_sha256
    assert origin.checkpoint_sha256 == read_model(model)[1].provenance.checkpoint_sha256
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 17)]
    assert output.stat().st_size < 0.6 * model.stat().st_size


def test_the_integers_times_their_scales_are_the_weights(model: Path, dataset: Path, tmp_path: Path) -> None:
    _export(model, tmp_path / "int8.onnx", Int8Options(dataset, method="minmax", images=1))
    before = {t.name: numpy_helper.to_array(t) for t in onnx.load(model).graph.initializer}
    after = {t.name: numpy_helper.to_array(t) for t in onnx.load(tmp_path / "int8.onnx").graph.initializer}
    name = "down.0.1.0.weight"
    scale = after[f"{name}.scale"].reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(scale.ravel(), np.abs(before[name]).max(axis=(1, 2, 3)) / 127, rtol=1e-6)
    assert np.abs(after[f"{name}.int8"] * scale - before[name]).max() <= scale.max() / 2 + 1e-6
    assert name not in after
    np.testing.assert_array_equal(after["down.0.1.0.bias"], before["down.0.1.0.bias"])


def test_a_dynamic_batch_stays_dynamic(model: Path, dataset: Path, tmp_path: Path) -> None:
    proto = onnx.load(model)
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(proto, tmp_path / "dynamic.onnx")
    _export(tmp_path / "dynamic.onnx", tmp_path / "int8.onnx", Int8Options(dataset, images=1))
    session = onnx_session(onnx.load(tmp_path / "int8.onnx"))
    frames = np.random.default_rng(0).integers(0, 256, (3, 64, 96, 3), np.uint8)
    (masks,) = session.run(["mask"], {"frame": frames})
    for frame, mask in zip(frames, masks, strict=True):
        np.testing.assert_array_equal(session.run(["mask"], {"frame": frame[None]})[0][0], mask)


def test_more_than_the_budget_keeps_nothing(model: Path, dataset: Path, tmp_path: Path) -> None:
    unlabelled = tmp_path / "data"
    shutil.copytree(dataset, unlabelled, ignore=lambda folder, names: ["val"] if Path(folder).name == "masks" else [])
    options = Int8Options(unlabelled, images=1, budget=AccuracyBudget(min_agreement=1.0))
    with pytest.raises(ExportError, match=r"the same class on 9.* at best .* expected agreement on at least 100\.00%"):
        _export(model, tmp_path / "int8.onnx", options)
    assert list(tmp_path.iterdir()) == [unlabelled]


def test_ranges_are_stored_once_and_serve_every_target(model: Path, dataset: Path, tmp_path: Path) -> None:
    first = _export(model, tmp_path / "a.onnx", Int8Options(dataset))
    stored = tmp_path / "a.ranges.json"
    options = Int8Options(dataset, ranges=stored, target="openvino")
    second = _export(model, tmp_path / "b.onnx", options)
    assert first.ranges == second.ranges == Ranges.load(stored)
    assert not (tmp_path / "b.ranges.json").exists()
    _export(model, tmp_path / "c.onnx", replace(options, target="onnxruntime"))
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "c.onnx").read_bytes()
    (tmp_path / "a.onnx").unlink()
    with pytest.raises(OutputError, match=r"a\.ranges\.json .*--force"):
        _export(model, tmp_path / "a.onnx", Int8Options(dataset))


def test_ranges_of_another_model_are_refused(
    model: Path, steady_model: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _export(model, tmp_path / "a.onnx", Int8Options(dataset, images=1))
    monkeypatch.setattr("edgeunet_export.int8.export_int8.calibrated", lambda *arguments: pytest.fail("calibrated"))
    with pytest.raises(MismatchError, match="the ranges are for the model"):
        _export(steady_model, tmp_path / "b.onnx", Int8Options(dataset, ranges=tmp_path / "a.ranges.json"))
    assert not (tmp_path / "b.onnx").exists()


def test_for_a_cpu_the_file_says_so_and_is_timed(model: Path, dataset: Path, tmp_path: Path) -> None:
    result = _export(model, tmp_path / "int8.onnx", Int8Options(dataset, target="onnxruntime"))
    assert result.repair.accuracy.comparison.agreement >= 0.98
    assert result.latency is not None
    assert min(result.latency.float_ms, result.latency.int8_ms) > 0
    origin = read_model(tmp_path / "int8.onnx")[1].provenance
    assert (origin.precision, origin.target) == ("int8", "cpu")
    assert (len(result.placement.convolutions), result.all_convolutions) == (12, 13)


def test_an_activation_that_is_not_finite_is_named_with_its_image(model: Path, dataset: Path, tmp_path: Path) -> None:
    proto = onnx.load(model)
    (bias,) = [t for t in proto.graph.initializer if t.name == "down.0.1.0.bias"]
    bias.CopyFrom(numpy_helper.from_array(np.full(bias.dims, np.nan, np.float32), bias.name))
    onnx.save(proto, tmp_path / "nan.onnx")
    with pytest.raises(ExportError, match=r"down\.0\.1\.\d has values that are not finite .* on 00\d\d\.jpg"):
        _export(tmp_path / "nan.onnx", tmp_path / "int8.onnx", Int8Options(dataset))
    assert not (tmp_path / "int8.onnx").exists()


def test_a_model_that_is_quantised_already_is_refused(model: Path, dataset: Path, tmp_path: Path) -> None:
    _export(model, tmp_path / "int8.onnx", Int8Options(dataset, images=1, budget=AccuracyBudget(max_drop=100)))
    with pytest.raises(ModelFileError, match="is int8 already"):
        _export(tmp_path / "int8.onnx", tmp_path / "again.onnx", Int8Options(dataset))


def test_files_that_are_no_model_of_ours_are_refused(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    for name, message in (("text.onnx", "is not a model but a text"), ("none.onnx", "no such model file")):
        with pytest.raises(ModelFileError, match=message):
            _export(tmp_path / name, tmp_path / "int8.onnx", Int8Options(dataset))
    with pytest.raises(ModelFileError, match="no edgeunet spec"):
        _export(write_toy_model(tmp_path / "a.onnx", with_spec=False), tmp_path / "int8.onnx", Int8Options(dataset))
    with pytest.raises(MismatchError, match="road, car, sky"):
        _export(write_toy_model(tmp_path / "b.onnx"), tmp_path / "int8.onnx", Int8Options(dataset))


def test_a_missing_split_is_found_before_the_calibration(
    model: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeunet_export.int8.export_int8.calibrated", lambda *arguments: pytest.fail("calibrated"))
    for options in (Int8Options(dataset, split="test"), Int8Options(dataset, check_split="test")):
        with pytest.raises(DatasetError, match="splits of this dataset: train, val"):
            _export(model, tmp_path / "int8.onnx", options)


def test_a_damaged_image_is_named(model: Path, dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(dataset, copy)
    (copy / "images" / "train" / "0002.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"0002\.jpg is empty"):
        _export(model, tmp_path / "int8.onnx", Int8Options(copy))
    assert not (tmp_path / "int8.onnx").exists()


def test_an_output_that_exists_is_left_alone(model: Path, dataset: Path, tmp_path: Path) -> None:
    existing = tmp_path / "existing.onnx"
    existing.touch()
    with pytest.raises(OutputError, match="--force"):
        _export(model, existing, Int8Options(dataset))


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "max"},
        {"images": 0},
        {"target": "tflite"},
        {"target": "openvino", "precision": "int8+fp16"},
        {"precision": "int4"},
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, object], dataset: Path) -> None:
    with pytest.raises(UsageError):
        Int8Options(dataset, **wrong)  # type: ignore[arg-type]
