"""Sources whose frames are not 8-bit BGR, and the camera loop on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from edgeunet.camera import CameraOptions, LoopStats, SinkOptions, run_camera
from edgeunet.camera.sources.opening import open_source
from edgeunet.camera.sources.source import Source, UnusableError
from edgeunet.camera.sources.stamp import decode_stamp
from edgeunet.camera.sources.synthetic import synthetic_mask
from edgeunet.camera.switching.fallback_session import open_fallbacks
from edgeunet.errors import MismatchError, SourceError
from edgeunet.imaging.pixels import Pixels
from edgeunet.runtime import Session, open_session
from edgeunet.samples import CLIP
from edgeunet.spec import BGR, ModelSpec, PixelFormat
from tests.models import write_toy_model
from tests.pixel_datasets import FOUR, FOUR_DEEP, GREY, THERMAL, frame_for, spec_for

SIZE = (240, 320)
HEAT = f"synthetic://?width={SIZE[1]}&height={SIZE[0]}&fps=0&seconds=0.5&pixels=thermal"


def pixels_of(source: Source) -> list[Pixels]:
    with source:
        return [frame.pixels for frame in iter(source.read, None)]


def heat_spec() -> ModelSpec:
    """Of the synthetic scene: cars are brighter than BRIGHT, all else is darker."""
    return replace(spec_for(THERMAL, SIZE), levels=((30000.0, 31000.0),))


def run(model: Path, source: object, sinks: SinkOptions | None = None, **options: Any) -> LoopStats:
    (stats,) = run_camera(CameraOptions(model, (str(source),), sinks or SinkOptions(), **options)).values()
    return stats


def test_the_synthetic_scene_as_heat_has_warm_cars_that_move() -> None:
    frames = pixels_of(open_source(HEAT, THERMAL))
    assert {(frame.shape, str(frame.dtype)) for frame in frames} == {((*SIZE, 1), "uint16")}
    assert [decode_stamp(frame)[0] for frame in frames] == list(range(15))
    for number in (0, 9):
        cars = synthetic_mask(number, SIZE)[:180] == 3
        heat = frames[number][:180, :, 0]
        assert heat[cars].min() > 30500
        assert heat[~cars].max() < 30000


def test_a_camera_of_heat_finds_what_is_warm_and_shows_it_levelled(tmp_path: Path) -> None:
    model = write_toy_model(tmp_path / "m.onnx", heat_spec())
    video, masks = tmp_path / "out.mp4", tmp_path / "masks"
    stats = run(model, HEAT, SinkOptions(record=video, save_masks=masks))
    assert (stats.published, stats.failed) == (15, 0)
    for number in (0, 14):
        mask = cv2.imread(str(masks / f"{number:06d}.png"), cv2.IMREAD_GRAYSCALE)
        assert mask is not None
        assert np.array_equal(mask[:180] == 1, synthetic_mask(number, SIZE)[:180] == 3)
    shown = pixels_of(open_source(str(video)))[0]
    assert shown.shape == (*SIZE, 3)
    road = shown[130:180, 10:40].mean()
    assert road < 90, "a third of it is the colour of its class; as it came it would be white"


def test_a_folder_of_images_is_read_with_the_models_pixels(tmp_path: Path) -> None:
    for kind, pixels in enumerate((FOUR, THERMAL, FOUR_DEEP, GREY)):
        folder = tmp_path / str(kind)
        folder.mkdir()
        cv2.imwrite(str(folder / "a.png"), frame_for(pixels))
        assert np.array_equal(pixels_of(open_source(str(folder), pixels))[0], frame_for(pixels))
        model = write_toy_model(tmp_path / f"{kind}.onnx", spec_for(pixels))
        assert run(model, folder).published == 1
    cv2.imwrite(str(folder / "a.png"), frame_for(BGR))
    with pytest.raises(SourceError, match=r"a.png has 3 channel\(s\), and 4 are wanted"):
        open_source(str(folder), FOUR)


def write_grey16(path: Path, frames: list[Pixels]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "gray16le"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[..., 0]), format="gray16le")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def test_a_video_of_grey_of_16_bits_is_read_whole(tmp_path: Path) -> None:
    frames = [frame_for(THERMAL, number) for number in range(3)]
    path = write_grey16(tmp_path / "heat.mkv", frames)
    read = pixels_of(open_source(str(path), THERMAL))
    assert all(np.array_equal(a, b) for a, b in zip(frames, read, strict=True))
    assert run(write_toy_model(tmp_path / "m.onnx", spec_for(THERMAL)), path).published == 3
    assert {frame.shape for frame in pixels_of(open_source(str(path)))} == {(72, 96, 3)}


@pytest.mark.parametrize("pixels", [THERMAL, FOUR_DEEP])
def test_a_video_of_8_bits_is_refused_for_a_model_of_16(pixels: PixelFormat) -> None:
    with pytest.raises(SourceError, match=r"has pixels of yuv420p, and the model takes uint16 .*gray16le") as caught:
        open_source(str(CLIP), pixels)
    assert "\n" not in str(caught.value)


def test_grey_is_made_of_a_colour_source_and_a_fourth_channel_is_not(tmp_path: Path) -> None:
    model = write_toy_model(tmp_path / "grey.onnx", spec_for(GREY))
    assert run(model, CLIP, max_frames=2).published == 2
    four = write_toy_model(tmp_path / "four.onnx", spec_for(FOUR))
    for source in (CLIP, "synthetic://?width=320&height=240"):
        with pytest.raises(UnusableError, match=r"delivers uint8 .* 3\], and the model takes uint8 .* 4\]"):
            run(four, source)
    with pytest.raises(UnusableError, match=r"delivers uint16 .* 1\], and the model takes uint8 .* 1\]"):
        run(model, HEAT)


def test_models_behind_each_other_take_the_same_frames(tmp_path: Path) -> None:
    paths = [write_toy_model(tmp_path / f"{n}.onnx", spec_for(p)) for n, p in enumerate((THERMAL, THERMAL, GREY))]

    def opener(path: Path) -> Session:
        return open_session(path, backend="onnxruntime", threads=1)

    with open_fallbacks(paths[:2], opener, 1000.0, lambda line: None) as session:
        assert session.run(frame_for(THERMAL)).mask.shape == (32, 48)
    with pytest.raises(MismatchError, match=r"2.onnx takes frames of uint8 .*; 0.onnx of uint16"):
        open_fallbacks([paths[0], paths[2]], opener, 1000.0, lambda line: None)
