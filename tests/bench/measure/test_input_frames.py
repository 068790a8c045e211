"""The frames a model is measured on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.errors import DatasetError, ImageError, SourceError
from edgeunet.samples import CLIP, DATASET
from edgeunet_bench.measure.input_frames import InputFrames, load_inputs
from tests.pixel_datasets import GREY, spec_for


def test_frames_come_from_a_dataset_or_a_video(inputs: InputFrames) -> None:
    assert [frame.shape for frame in inputs.frames] == [(437, 582, 3)] * 2
    video = load_inputs(CLIP)
    assert video.name == "highway.mp4, 16 frames of 960x540"
    reader = cv2.VideoCapture(str(CLIP))
    assert np.array_equal(video.frames[0], np.asarray(reader.read()[1]))
    reader.release()
    assert not np.array_equal(video.frames[0], video.frames[1])


def test_nothing_to_show_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such dataset folder or video"):
        load_inputs(tmp_path / "nothing")
    with pytest.raises(DatasetError, match="is empty"):
        load_inputs(tmp_path)
    broken = tmp_path / "images" / "val"
    broken.mkdir(parents=True)
    (tmp_path / "classes.json").write_text((DATASET / "classes.json").read_text())
    with pytest.raises(DatasetError, match="has no images"):
        load_inputs(tmp_path)
    (broken / "a.jpg").write_bytes(b"")
    with pytest.raises(ImageError, match=r"a\.jpg is empty"):
        load_inputs(tmp_path)
    (tmp_path / "v.mp4").write_text("no video")
    with pytest.raises(SourceError, match=r"v\.mp4"):
        load_inputs(tmp_path / "v.mp4")


def test_the_name_says_what_is_special_about_the_frames() -> None:
    name = load_inputs(None, spec_for(GREY)).name
    assert name == f"{load_inputs(None).name}, uint8 [height, width, 1], grey"
