import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import DatasetError, ExportError, MismatchError, UsageError
from edgeunet.imaging.letterbox import UInt8
from edgeunet.network.trace import CENTRED
from edgeunet.quantisation.clipping import METHODS
from edgeunet.quantisation.placement import place
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import TENSORRT
from edgeunet.quantisation.value_ranges import ranged_tensors
from edgeunet.utils.files import sha256
from edgeunet_export.calibration import calibrate
from edgeunet_export.calibration.calibrate import CalibrationOptions, calibrated, stored_ranges
from edgeunet_export.calibration.wide_nodes import observed
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import read_fp32_model, read_model


@pytest.fixture
def images(dataset: Path) -> list[Path]:
    return DatasetFolder.open(dataset).image_paths("train")


def _ranges(model: Path, images: list[Path], *, stop: bool = True, method: str = "mse") -> Ranges:
    return calibrated(*read_fp32_model(model), images, CalibrationOptions(Path("unread"), method=method), stop=stop)


def _write(path: Path, frame: UInt8) -> Path:
    assert cv2.imwrite(str(path), frame)
    return path


def _plain(path: Path, color: tuple[int, int, int]) -> Path:
    """A frame of one colour, with the noise of a sensor."""
    noise = np.random.default_rng(0).normal(0, 0.7, (60, 80, 3))
    return _write(path, np.clip(np.full((60, 80, 3), color) + noise, 0, 255).astype(np.uint8))


def test_the_ranges_are_those_of_the_activations(model: Path, images: list[Path]) -> None:
    proto, spec = read_model(model)
    tensors = ranged_tensors(FloatModel.of(proto).graph)
    result = _ranges(model, images[:3])
    shown = calibrate._observable(proto, tensors)
    activations = [outputs for _, outputs in observed(shown, spec, images[:3], "observing")]
    assert list(result.tensors) == tensors
    for tensor, found in result.tensors.items():
        both = np.concatenate([outputs[tensor].ravel() for outputs in activations])
        assert found.low == pytest.approx(min(0.0, both.min()), rel=1e-4)
        assert found.high == pytest.approx(max(0.0, both.max()), rel=1e-4)
        assert found.clips["minmax"] == max(found.high, -found.low)
        assert found.clips["percentile"] == pytest.approx(np.quantile(np.abs(both), 0.9999), rel=0.05, abs=1e-4)
        assert 0 < found.clips["mse"] <= found.clips["minmax"]
        assert (sum(found.histogram), len(found.histogram)) == (both.size, 64)
    assert (result.images, result.offered, result.settled, result.method) == (3, 3, False, "mse")
    assert result.model_sha256 == sha256(model)


def test_the_order_and_the_names_of_the_images_change_nothing(model: Path, images: list[Path], tmp_path: Path) -> None:
    expected = _ranges(model, images)
    renamed = [Path(shutil.copy(path, tmp_path / f"{9 - i}.jpg")) for i, path in enumerate(images)]
    assert _ranges(model, renamed[::-1]) == expected
    assert _ranges(model, images[1:]) != expected


@pytest.mark.slow
@pytest.mark.parametrize("cores", [1, 3])
def test_the_number_of_cores_changes_nothing(
    cores: int, model: Path, images: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ranges(model, images).save(tmp_path / "a.json", force=False)
    monkeypatch.setattr(calibrate, "physical_cores", lambda: cores)
    _ranges(model, images).save(tmp_path / "b.json", force=False)
    assert sha256(tmp_path / "a.json") == sha256(tmp_path / "b.json")


def test_fewer_frames_at_once_where_their_activations_are_large(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "physical_cores", lambda: 64)
    float_model, spec = read_fp32_model(model)
    frame = sum(4 * math.prod(float_model.shapes[tensor]) for tensor in ranged_tensors(float_model.graph))
    monkeypatch.setattr(calibrate, "_MEMORY", 3 * frame + 100)
    assert calibrate._Probe(float_model, spec).workers == 3
    monkeypatch.setattr(calibrate, "_MEMORY", 1)
    assert calibrate._Probe(float_model, spec).workers == 1


def test_copies_and_frames_of_one_colour_do_not_count(model: Path, images: list[Path], tmp_path: Path) -> None:
    expected = _ranges(model, images[:3])
    copies = [Path(shutil.copy(images[0], tmp_path / f"{i}.jpg")) for i in range(5)]
    plain = [_plain(tmp_path / "black.png", (0, 0, 0)), _plain(tmp_path / "red.jpg", (40, 30, 220))]
    result = _ranges(model, [*images[:3], *copies, *plain])
    assert result == replace(expected, offered=10, plain=2)
    assert result.summary == "mse, 3 images (2 of one colour left out)"


def test_no_images_and_images_of_one_colour_are_refused(model: Path, tmp_path: Path) -> None:
    black, white = _plain(tmp_path / "0.png", (0, 0, 0)), _plain(tmp_path / "1.png", (250, 250, 250))
    with pytest.raises(DatasetError, match=r"all 2 calibration images show one colour only, .*: give frames"):
        _ranges(model, [black, white])
    with pytest.raises(DatasetError, match="the only calibration image shows one colour"):
        _ranges(model, [black])
    with pytest.raises(DatasetError, match="no calibration images: give a dataset"):
        _ranges(model, [])


def test_a_dark_frame_with_something_in_it_counts(model: Path, images: list[Path], tmp_path: Path) -> None:
    frame = cv2.imread(str(images[0]))
    assert frame is not None
    night = _write(tmp_path / "night.png", (frame * 0.1).astype(np.uint8))
    assert _ranges(model, [night]).plain == 0


def test_it_stops_when_the_ranges_have_settled(
    model: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrate, "CHECK_EVERY", 2)
    monkeypatch.setattr(calibrate, "SETTLED", 0.5)
    result = _ranges(model, images)
    assert (result.images, result.offered, result.settled) == (6, 9, True)
    assert result.summary == "mse, settled after 6 of 9 images"
    assert _ranges(model, images, stop=False).summary == "mse, 9 images"
    monkeypatch.setattr(calibrate, "SETTLED", 0.0)
    assert _ranges(model, images, method="minmax").images == 9


def test_an_activation_that_is_not_finite_is_named_with_its_image(
    model: Path, images: list[Path], tmp_path: Path
) -> None:
    proto = onnx.load(model)
    (bias,) = [t for t in proto.graph.initializer if t.name == "down.0.1.0.bias"]
    for value, name in ((np.nan, "nan.onnx"), (np.inf, "inf.onnx")):
        bias.CopyFrom(numpy_helper.from_array(np.full(bias.dims, value, np.float32), bias.name))
        onnx.save(proto, tmp_path / name)
        with pytest.raises(ExportError, match=r"down\.0\.1\.2 has values that are not finite .* on 0009\.jpg"):
            _ranges(tmp_path / name, [images[7]])


def test_a_damaged_image_is_named(model: Path, images: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"hello")
    with pytest.raises(DatasetError, match=r"bad\.jpg is not an image"):
        _ranges(model, [images[0], tmp_path / "bad.jpg"])


def test_ranges_come_from_a_file_or_from_images(model: Path, dataset: Path, tmp_path: Path) -> None:
    float_model, spec = read_fp32_model(model)
    placement = place(float_model.graph, TENSORRT)
    options = CalibrationOptions(dataset, images=2, method="entropy")
    chosen = options.chosen(DatasetFolder.open(dataset).image_paths("train"), spec)
    ranges = calibrated(float_model, spec, chosen, options)
    assert (ranges.images, ranges.split, ranges.seed, ranges.method) == (2, "train", 0, "entropy")
    ranges.save(tmp_path / "m.ranges.json", force=False)
    assert stored_ranges(tmp_path / "m.ranges.json", model, float_model, spec, placement) == ranges
    value = json.loads((tmp_path / "m.ranges.json").read_text())
    (tmp_path / "other.json").write_text(json.dumps({**value, "model_sha256": "00" * 32}))
    with pytest.raises(MismatchError, match=r"are for the model 000000000000, .*net\.onnx is"):
        stored_ranges(tmp_path / "other.json", model, float_model, spec, placement)


@pytest.mark.parametrize("wrong", [{"method": "max"}, {"images": 0}, {"seed": -1}])
def test_options_out_of_range_are_refused(wrong: dict[str, object], dataset: Path) -> None:
    with pytest.raises(UsageError):
        CalibrationOptions(dataset, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", METHODS)
def test_the_method_in_use_is_that_of_the_options(method: str, model: Path, images: list[Path]) -> None:
    result = _ranges(model, images[:1], method=method)
    assert {found.method for found in result.tensors.values()} == {method}


def test_every_tile_of_a_frame_is_calibrated_on(checkpoint: Path, tmp_path: Path) -> None:
    """Bright rows in the lowest tile alone: the largest input is theirs."""
    model = tmp_path / "tiled.onnx"
    export_onnx(checkpoint, model, ExportOptions(tiles=(3, 1)), data=None, split="", force=False)
    _, spec = read_model(model)
    frame = np.random.default_rng(0).integers(0, 100, (*spec.fitted_size, 3), np.uint8)
    frame[-5:] = 255
    found = _ranges(model, [_write(tmp_path / "frame.png", frame)])
    assert found.tensors[CENTRED].high == pytest.approx(255 - min(spec.mean), abs=1e-3)
