"""Sessions of models whose frames are not 8-bit BGR: each backend fits and levels them as the letterbox does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeunet.camera.switching.reload import require_same
from edgeunet.errors import FrameError, MismatchError
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.imaging.pixels import with_channels
from edgeunet.runtime import Session, open_session
from edgeunet.runtime.model_info import describe_model
from edgeunet.runtime.opening import spec_of
from edgeunet.runtime.warm_up import warm_up
from edgeunet.spec import BGR, ModelSpec
from tests.fakes.pycuda import FakeCuda
from tests.fakes.tensorrt import FakeTensorRT, Tensor
from tests.models import toy_mask, toy_spec, write_toy_model
from tests.pixel_datasets import FOUR, GREY, KINDS, THERMAL, frame_for, spec_for
from tests.runtime.engines import LOGITS, MASK, SIZE, install_tensorrt, write_toy_engine

Opener = Callable[[Path, ModelSpec], Session]
SIZES = [(72, 96), SIZE, (30, 200), (300, 64), (72, 96)]


@pytest.fixture(
    params=["onnxruntime", "two in flight", "a batch", "openvino", "tensorrt", "tensorrt, mapped", "logits"]
)
def opener(request: pytest.FixtureRequest, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> Opener:
    kind = request.param

    def on_cpu(folder: Path, spec: ModelSpec) -> Session:
        batch = 4 if kind == "a batch" else 1
        path = write_toy_model(folder / "m.onnx", spec, batch="N" if batch > 1 else 1)
        backend = "openvino" if kind == "openvino" else "onnxruntime"
        return open_session(path, backend=backend, in_flight=2 if kind == "two in flight" else 1, batch=batch)

    def on_gpu(folder: Path, spec: ModelSpec) -> Session:
        trt = FakeTensorRT("10.16")
        cuda.set("integrated", kind == "tensorrt, mapped")
        install_tensorrt(trt, cuda, monkeypatch, spec.channels)
        frame = Tensor("frame", "INPUT", "UINT8", (1, *SIZE, spec.channels))
        outputs = (LOGITS, MASK) if kind == "logits" and spec.channels == 3 else (MASK,)
        return open_session(write_toy_engine(folder / "m.engine", trt, (frame, *outputs), spec))

    return on_gpu if kind.startswith("tensorrt") or kind == "logits" else on_cpu


@pytest.mark.parametrize("name", KINDS)
def test_the_mask_is_that_of_the_fitted_and_levelled_frame(opener: Opener, name: str, tmp_path: Path) -> None:
    pixels = KINDS[name]
    spec = spec_for(pixels, SIZE)
    with opener(tmp_path, spec) as session:
        warm_up(session)
        for number, size in enumerate(SIZES):
            frame = frame_for(pixels, number, size)
            expected = toy_mask(Letterbox.of(size, spec).fit(frame))
            for _ in range(3):  # a GPU replays a graph from the second on
                assert np.array_equal(session.run(frame).mask, expected), (number, size)


@pytest.mark.parametrize("name", ["grey", "thermal"])
def test_colours_are_made_grey_by_the_session(opener: Opener, name: str, tmp_path: Path) -> None:
    pixels = KINDS[name]
    spec = spec_for(pixels, SIZE)
    color = frame_for(replace(pixels, channels=3))
    with opener(tmp_path, spec) as session:
        expected = toy_mask(Letterbox.of((72, 96), spec).fit(with_channels(color, 1)))
        assert np.array_equal(session.run(color).mask, expected)
        with pytest.raises(FrameError, match=r"a frame of this model is uint(8|16) \[height, width, 1\], grey"):
            session.run(frame_for(THERMAL if pixels == GREY else GREY))


@pytest.mark.parametrize("name", KINDS)
def test_tiles_are_cut_from_the_levelled_canvas(name: str, tmp_path: Path) -> None:
    pixels = KINDS[name]
    spec = replace(spec_for(pixels, (16, 24)), tiles=(2, 2), fit="stretch")
    with open_session(write_toy_model(tmp_path / "m.onnx", spec), backend="onnxruntime") as session:
        frame = frame_for(pixels)
        canvas = Letterbox.of((72, 96), spec).fit(frame)
        assert canvas.shape == (*spec.fitted_size, pixels.channels)
        assert np.array_equal(session.run(frame).mask, toy_mask(canvas))  # of each pixel alone: tiles change nothing


def test_a_reloaded_model_takes_the_same_frames(tmp_path: Path) -> None:
    with open_session(write_toy_model(tmp_path / "m.onnx", spec_for(THERMAL)), backend="onnxruntime") as session:
        require_same(session, spec_for(THERMAL), "m.onnx")
        with pytest.raises(MismatchError, match=r"takes frames of uint16 .*; the model in use of uint8"):
            require_same(session, spec_for(GREY), "m.onnx")


def test_the_facts_say_what_frames_a_file_takes(tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "m.onnx", spec_for(THERMAL))
    facts = describe_model(str(path), None)
    assert (facts["channels"], facts["pixel_levels"]) == (1, [[7000.0, 8000.0]])
    assert spec_of(path).pixels == THERMAL
    ordinary = describe_model(str(write_toy_model(tmp_path / "o.onnx", toy_spec())), None)
    assert not {"channels", "pixel_levels"} & ordinary.keys()
    assert spec_of(tmp_path / "o.onnx").pixels == BGR
    assert spec_for(FOUR).frame_shape == (32, 48, 4)
