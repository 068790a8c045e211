"""Cityscapes: a small tree in its layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import DatasetError
from edgeunet.spec import ClassInfo
from tests.data.convert.trees import contents, pictures_in, write_cityscapes

# Train ids by id, written out here a second time from the table of Cityscapes; 255 where a class is not evaluated.
TRAIN_IDS = [255] * 7 + [0, 1, 255, 255, 2, 3, 4, 255, 255, 255, 5, 255, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
TRAIN_IDS += [255, 255, 16, 17, 18]


def test_ids_become_the_train_ids_of_the_19_classes(tmp_path: Path) -> None:
    source = write_cityscapes(tmp_path / "source")
    before = contents(source)
    done = convert(source, tmp_path / "made", ConversionOptions())
    assert (done.layout, done.frames, done.notes, done.warnings) == ("cityscapes", {"train": 3, "val": 1}, (), ())
    masks = pictures_in(tmp_path / "made" / "masks" / "train")
    assert list(masks) == ["aachen_000000_000019.png", "aachen_000001_000019.png", "bochum_000000_000019.png"]
    expected = np.array([*TRAIN_IDS, 255, 255], np.uint8).reshape(6, 6)
    assert all(np.array_equal(mask, expected) for mask in masks.values())
    image = "aachen_000001_000019"
    assert (
        contents(tmp_path / "made")[f"images/train/{image}.png"]
        == before[f"leftImg8bit/train/aachen/{image}_leftImg8bit.png"]
    )
    assert contents(source) == before


def test_the_classes_have_the_names_and_colours_of_cityscapes(tmp_path: Path) -> None:
    convert(write_cityscapes(tmp_path / "source"), tmp_path / "made", ConversionOptions())
    dataset = DatasetFolder.open(tmp_path / "made")
    assert len(dataset.classes) == 19
    assert dataset.classes[0] == ClassInfo("road", (128, 64, 128))
    assert dataset.classes[7] == ClassInfo("traffic sign", (220, 220, 0))
    assert dataset.classes[18] == ClassInfo("bicycle", (119, 11, 32))
    assert dataset.ignored == (255,)
    assert len(load_split(dataset, "train")) == 3


def test_train_ids_are_taken_as_they_are(tmp_path: Path) -> None:
    convert(write_cityscapes(tmp_path / "source", train_ids=True), tmp_path / "made", ConversionOptions())
    expected = np.array([*range(19), *[255] * 17], np.uint8).reshape(6, 6)
    assert np.array_equal(pictures_in(tmp_path / "made" / "masks" / "val")["lindau_000000_000019.png"], expected)


def test_a_frame_without_labels_is_named(tmp_path: Path) -> None:
    source = write_cityscapes(tmp_path / "source")
    (source / "gtFine" / "val" / "lindau" / "lindau_000000_000019_gtFine_labelIds.png").unlink()
    with pytest.raises(DatasetError, match=r"leftImg8bit/val/lindau/lindau_000000_000019_leftImg8bit.png: no mask"):
        convert(source, tmp_path / "made", ConversionOptions())
