"""Exports of networks whose frames are not 8-bit BGR: choosing frames, calibrating on them, serving, comparing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from edgeunet import samples
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import MismatchError
from edgeunet.imaging.pixels import check_frame, picture_of
from edgeunet.network.checkpoint import save_checkpoint
from edgeunet.network.unet import UNet, UNetConfig
from edgeunet.quantisation.target import TENSORRT
from edgeunet.spec import BGR, ModelSpec, PixelFormat
from edgeunet.training.qat.learnt_ranges import fake_quantised
from edgeunet_bench.measure.input_frames import load_inputs
from edgeunet_export.calibration.calibrate import CalibrationOptions, calibrated
from edgeunet_export.calibration.frames import read_frame
from edgeunet_export.calibration.given_images import given_images
from edgeunet_export.calibration.sampling import representative
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from edgeunet_export.fp16 import Fp16Options, export_fp16
from edgeunet_export.graph.model_file import read_fp32_model
from edgeunet_export.triton import Served, configuration
from edgeunet_export.verify.mask_agreement import compare
from edgeunet_export.verify.worst_frames import side_by_side
from tests.models import toy_spec, write_toy_model
from tests.pixel_datasets import FOUR, GREY, KINDS, THERMAL, frame_for, spec_for, write_pixels


def network_for(pixels: PixelFormat) -> tuple[UNet, ModelSpec]:
    spec = spec_for(pixels)
    torch.manual_seed(0)
    return UNet(UNetConfig(spec.logits, (8, 16), pixels.channels)).eval(), spec


@pytest.fixture(params=KINDS)
def pixels(request: pytest.FixtureRequest) -> PixelFormat:
    return KINDS[request.param]


def test_without_data_the_bundled_frames_check_a_graph(pixels: PixelFormat, tmp_path: Path) -> None:
    net, spec = network_for(pixels)
    save_checkpoint(tmp_path / "m.pt", net, spec)
    made = export_onnx(tmp_path / "m.pt", tmp_path / "m.onnx", ExportOptions(), data=None, split="val", force=False)
    assert made.parity.agreement > 0.999
    export_fp16(tmp_path / "m.onnx", tmp_path / "half.onnx", Fp16Options(None, images=2), force=False)
    with given_images(None, spec, tmp_path / "m.onnx", 2) as given:
        images = given.of("train")[:2]
    for image in images:
        frame = read_frame(image, spec)
        assert check_frame(frame, pixels) is frame
        ordinary = read_frame(image)
        shown = picture_of(frame, spec.levels).astype(int)
        assert np.abs(shown.mean(axis=2) - ordinary.mean(axis=2)).mean() < 8
    inputs = load_inputs(None, spec)
    assert {check_frame(frame, pixels).shape[2] for frame in inputs.frames} == {pixels.channels}


def test_a_covered_lens_is_left_out_by_what_the_levels_show(tmp_path: Path) -> None:
    """Scenes of thermal frames differ by less in their upper 8 bits than noise does."""
    spec = spec_for(THERMAL)
    for number in range(8):
        cv2.imwrite(str(tmp_path / f"{number}.png"), frame_for(THERMAL, number))
    covered = tmp_path / "covered.png"
    cv2.imwrite(str(covered), np.full((72, 96), 7003, np.uint16) + np.arange(96, dtype=np.uint16) % 3)
    images = sorted(tmp_path.iterdir())
    assert covered not in representative(images, 5, 0, spec)
    net, _ = network_for(THERMAL)
    save_checkpoint(tmp_path / "m.pt", net, spec)
    export_onnx(tmp_path / "m.pt", tmp_path / "m.onnx", ExportOptions(), data=None, split="val", force=False)
    ranges = calibrated(read_fp32_model(tmp_path / "m.onnx")[0], spec, images, CalibrationOptions(tmp_path))
    assert (ranges.images, ranges.plain) == (8, 1)


def test_a_server_gets_as_many_channels() -> None:
    served = Served(spec_for(FOUR), "onnxruntime_onnx", "model.onnx", logits=False, max_batch=0, weights=())
    text = configuration("m", served)
    assert 'input { name: "frame", data_type: TYPE_UINT8, dims: [1, 32, 48, 4] }' in text


def test_two_files_are_compared_on_frames_of_their_kind(pixels: PixelFormat, tmp_path: Path) -> None:
    data = write_pixels(tmp_path / "d", pixels)
    dataset = DatasetFolder.open(data)
    classes = dataset.classes
    a = write_toy_model(tmp_path / "a.onnx", replace(spec_for(pixels), classes=classes))
    found = compare(a, a, dataset, "val")
    assert (found.frames, found.agreement) == (1, 1.0)
    assert found.scores_a is not None
    picture = side_by_side(found.worst[0], found.specs, ("a", "b"))
    assert (picture.dtype, picture.shape[0], picture.shape[2]) == (np.dtype(np.uint8), 72, 3)
    assert np.array_equal(picture[:, :96], picture_of(frame_for(pixels, 1000), spec_for(pixels).levels))
    b = write_toy_model(tmp_path / "b.onnx", replace(toy_spec(), classes=classes))
    with pytest.raises(MismatchError, match="compare models of the same kind of frames"):
        compare(a, b, dataset, "val")


@pytest.mark.parametrize("pixels", [GREY, FOUR, THERMAL])
def test_quantisation_aware_training_starts_from_them(pixels: PixelFormat, tmp_path: Path) -> None:
    net, spec = network_for(pixels)
    dataset = DatasetFolder.open(write_pixels(tmp_path / "d", pixels), pixels)
    quantised = fake_quantised(net, spec, load_split(dataset, "train"), TENSORRT)
    logits = quantised(torch.zeros(1, pixels.channels, 32, 48))
    assert logits.shape == (1, spec.logits, 32, 48)


def test_the_bundled_frames_are_as_they_are_for_an_ordinary_model() -> None:
    image = sorted((samples.DATASET / "images" / "val").iterdir())[0]
    assert np.array_equal(read_frame(image, toy_spec()), read_frame(image))
    assert toy_spec().pixels == BGR
