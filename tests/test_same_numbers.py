"""The proof that training, calibration, evaluation, predict and camera give a network the same numbers for a frame.

A file of each kind goes through each of them, and what enters the network is caught: uint8, fitted and levelled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgeunet.camera import CameraOptions, SinkOptions, run_camera
from edgeunet.camera.predict import predict_images
from edgeunet.data.cropping.augment import Augmentation
from edgeunet.data.cropping.crops import Crops
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.evaluation.score import evaluate_model
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.network.checkpoint import save_checkpoint
from edgeunet.network.torch_segmenter import open_checkpoint
from edgeunet.network.unet import NormalisedUNet, UNet, UNetConfig
from edgeunet.runtime.cpu.onnxruntime_model import OrtModel
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from edgeunet.spec import ClassInfo, ModelSpec, PixelFormat
from edgeunet_bench.measure.input_frames import load_inputs
from edgeunet_export.calibration.calibrate import CalibrationOptions, calibrated
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from edgeunet_export.graph.model_file import read_fp32_model
from tests.pixel_datasets import KINDS, frame_for, spec_for, write_pixels

PLAIN = Augmentation(flip=0.0, scale=(1.0, 1.0), aspect=1.0, rotation_deg=0.0, color=0.0)


class Walk:
    """One kind of frame: its dataset, a checkpoint and a model file for it, and what enters a network."""

    def __init__(self, folder: Path, pixels: PixelFormat, monkeypatch: pytest.MonkeyPatch) -> None:
        self.data = write_pixels(folder / "data", pixels, train=1, val=1)
        classes = tuple(ClassInfo(c.name, c.color) for c in DatasetFolder.open(self.data).classes)
        self.spec: ModelSpec = replace(spec_for(pixels), classes=classes)
        torch.manual_seed(0)
        net = UNet(UNetConfig(self.spec.logits, (8, 16), pixels.channels)).eval()
        self.checkpoint, self.model = folder / "m.pt", folder / "m.onnx"
        save_checkpoint(self.checkpoint, net, self.spec)
        export_onnx(self.checkpoint, self.model, ExportOptions(), data=self.data, split="val", force=False)
        self.entered: list[UInt8] = []
        self._catch(monkeypatch, NormalisedUNet, "forward", lambda frames: frames.numpy())
        self._catch(monkeypatch, OnnxRuntimeSession, "_infer", lambda buffers: buffers.arrays["frame"])
        self._catch(monkeypatch, OrtModel, "run", lambda outputs, inputs: inputs["frame"])

    def _catch(self, monkeypatch: pytest.MonkeyPatch, kind: type, name: str, input_of: Callable[..., UInt8]) -> None:
        real = getattr(kind, name)

        def caught(this: Any, *arguments: Any) -> Any:
            self.entered += list(input_of(*arguments).copy())
            return real(this, *arguments)

        monkeypatch.setattr(kind, name, caught)


@pytest.fixture(params=KINDS)
def walk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Walk:
    return Walk(tmp_path, KINDS[request.param], monkeypatch)


def test_a_frame_enters_the_network_as_the_same_numbers_everywhere(walk: Walk, tmp_path: Path) -> None:
    spec, pixels = walk.spec, walk.spec.pixels
    expected = Letterbox.of((72, 96), spec).fit(frame_for(pixels, 1000))
    assert expected.shape == (*spec.input_size, pixels.channels)
    assert np.ptp(expected) > 100
    files = sorted((walk.data / "images" / "val").iterdir())

    def entering(work: Callable[[], object]) -> list[UInt8]:
        walk.entered.clear()
        work()
        return walk.entered

    def evaluation() -> None:
        with open_checkpoint(walk.checkpoint) as segmenter:
            evaluate_model(segmenter, walk.checkpoint, walk.data, "val")

    def prediction() -> None:
        with OnnxRuntimeSession(walk.model) as session:
            predict_images(session, walk.model, files, tmp_path / "out", force=False)

    def measurement() -> None:
        with OnnxRuntimeSession(walk.model) as session:
            session.run(load_inputs(walk.data, spec).frames[0])

    def calibration() -> None:
        calibrated(read_fp32_model(walk.model)[0], spec, files, CalibrationOptions(walk.data))

    ways: dict[str, Callable[[], object]] = {
        "evaluation": evaluation,
        "predict": prediction,
        "measurement": measurement,
        "calibration": calibration,
        "camera": lambda: run_camera(CameraOptions(walk.model, (str(files[0].parent),), SinkOptions())),
    }
    for name, way in ways.items():
        found = entering(way)
        assert found, name
        assert np.array_equal(found[-1], expected), name  # before it comes the warm-up
    crops = Crops(load_split(DatasetFolder.open(walk.data, pixels), "val"), spec, (32, 48), PLAIN, count=1, seed=0)
    trained = crops[0][0].numpy().astype(int)
    assert trained.shape == expected.shape
    # Training warps where the camera resizes: the same scene, not the same arithmetic.
    assert np.abs(trained - expected).mean() < 6
    exact = replace(spec, fit="stretch", input_size=(72, 96))
    crops = Crops(load_split(DatasetFolder.open(walk.data, pixels), "val"), exact, (72, 96), PLAIN, count=1, seed=0)
    assert np.array_equal(crops[0][0].numpy(), Letterbox.of((72, 96), exact).fit(frame_for(pixels, 1000)))
