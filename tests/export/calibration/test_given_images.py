from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeunet.camera.sources.video.video_file import open_video
from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import DatasetError, MismatchError, SourceError
from edgeunet.imaging.images import read_image
from edgeunet.samples import CLIP, DATASET
from edgeunet.spec import ModelSpec
from edgeunet_export.calibration.given_images import given_images
from tests.datasets import write_dataset

SPEC = ModelSpec(DatasetFolder.open(DATASET).classes, (32, 48))
MODEL = Path("m.onnx")


def test_a_dataset_has_splits_and_its_classes_must_fit(tmp_path: Path) -> None:
    with given_images(DATASET, SPEC, MODEL, 5) as given:
        assert given.of("val") == DatasetFolder.open(DATASET).image_paths("val")
    with (
        pytest.raises(MismatchError, match="give a dataset of the same classes"),
        given_images(write_dataset(tmp_path / "d"), SPEC, MODEL, 5),
    ):
        pass


def test_photos_need_neither_splits_nor_classes() -> None:
    folder = DATASET / "images" / "train"
    with given_images(folder, SPEC, MODEL, 5) as given:
        assert [path.name for path in given.of("train")] == sorted(path.name for path in folder.iterdir())
        calibrate, compare = given.halves()
    assert (len(calibrate), len(compare)) == (5, 4)
    assert not set(calibrate) & set(compare)
    with given_images(folder / "0000.jpg", SPEC, MODEL, 5) as given:
        assert given.halves() == ([folder / "0000.jpg"], [folder / "0000.jpg"])


@pytest.mark.parametrize("claimed", [40, None, 3, 100_000], ids=["true", "unknown", "too few", "too many"])
def test_frames_of_a_video_are_spread_over_the_whole(monkeypatch: pytest.MonkeyPatch, claimed: int | None) -> None:
    with open_video(CLIP, "clip") as source:
        count = 0
        while source.read():
            count += 1

    def claiming(*arguments: object) -> object:
        source = open_video(*arguments)  # type: ignore[arg-type]
        source.frame_count = count if claimed == 40 else claimed
        return source

    monkeypatch.setattr("edgeunet_export.calibration.given_images.open_video", claiming)
    with given_images(CLIP, SPEC, MODEL, 6) as given:
        numbers = [int(path.stem.rpartition("_")[2]) for path in given.photos]
        assert len(numbers) == (1 if claimed == 100_000 else 6)
        if claimed != 100_000:
            assert np.ptp(np.diff(numbers)) <= max(np.diff(numbers)) / 2
            assert numbers[-1] > 0.6 * count
        path = given.photos[0]
        assert read_image(path).shape[2] == 3
    assert not path.exists()


@pytest.mark.parametrize("what", ["empty folder", "no video", "export.zip", "nothing"])
def test_what_has_no_images_is_refused(tmp_path: Path, what: str) -> None:
    (tmp_path / "empty folder").mkdir()
    (tmp_path / "no video").write_text("hello")
    (tmp_path / "export.zip").touch()
    said = {
        "empty folder": (DatasetError, "neither classes.json nor images"),
        "no video": (SourceError, "not a video"),
        "export.zip": (DatasetError, "is a .zip: make a dataset folder of it with `edgeunet data convert`"),
    }
    error, words = said.get(what, (DatasetError, "no such dataset"))
    with pytest.raises(error, match=words), given_images(tmp_path / what, SPEC, MODEL, 5):
        pass


def test_a_video_has_no_fourth_channel() -> None:
    four = replace(SPEC, channels=4, mean=(0.5,) * 4, std=(0.5,) * 4)
    with (
        pytest.raises(DatasetError, match=r"has no fourth channel, as no video has: give a folder of images"),
        given_images(CLIP, four, MODEL, 5),
    ):
        pass
