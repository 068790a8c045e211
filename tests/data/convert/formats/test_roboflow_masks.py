"""Roboflow's masks beside their images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.errors import DatasetError
from tests.data.convert.trees import pictures_in, write
from tests.data.convert.two_frames import convert_two, expected, write_images

LISTED = "Pixel Value, Class\n0, background\n1, road\n2, car\n"


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "roboflow"
    for split, name in (("train", "a"), ("valid", "b")):
        write_images(path / split, name)
        cv2.imwrite(str(path / split / f"{name}_mask.png"), expected(name))
        (path / split / "_classes.csv").write_text(LISTED)
    return path


def test_masks_lie_beside_their_images(export: Path) -> None:
    done = convert_two(export, ConversionOptions())
    assert done.recognised == "Roboflow's masks, by train/_classes.csv"
    assert done.frames == {"train": 1, "val": 1}


def test_without_splits_it_is_divided(export: Path) -> None:
    for file in (*(export / "train").iterdir(), *(export / "valid").iterdir()):
        file.rename(export / file.name)
    (export / "train").rmdir()
    (export / "valid").rmdir()
    convert_two(export)


def test_lists_that_differ_are_refused(export: Path) -> None:
    (export / "valid" / "_classes.csv").write_text(LISTED.replace("1, road", "1, sky"))
    with pytest.raises(DatasetError, match=r"valid/_classes.csv has other classes than .*train/_classes.csv: .*merge"):
        convert(export, export.with_name("made"), ConversionOptions())


def test_a_list_of_another_kind_is_no_list_of_masks(export: Path) -> None:
    for split in ("train", "valid"):
        (export / split / "_classes.csv").write_text("filename, road, car\na.jpg, 1, 0\n")
    with pytest.raises(DatasetError, match="has no list of classes: wrote"):
        convert(export, export.with_name("made"), ConversionOptions())
    with pytest.raises(DatasetError, match=r'has no _classes.csv with "Pixel Value, Class"'):
        convert(export, export.with_name("made"), ConversionOptions(layout="roboflow_masks"))


def test_bad_files_are_named_together(export: Path) -> None:
    cv2.imwrite(str(export / "train" / "a_mask.png"), expected("a")[:9])
    cv2.imwrite(str(export / "valid" / "b_mask.png"), np.full((48, 64, 3), (1, 2, 3), np.uint8))
    with pytest.raises(DatasetError) as told:
        convert(export, export.with_name("made"), ConversionOptions())
    assert "train/a_mask.png: 64x9, but its image is 64x48" in str(told.value)
    assert "valid/b_mask.png: is in colours" in str(told.value)
    cv2.imwrite(str(export / "train" / "a_mask.png"), np.full((48, 64), 77, np.uint8))
    cv2.imwrite(str(export / "valid" / "b_mask.png"), expected("b"))
    with pytest.raises(DatasetError, match=r"1 value\(s\) that .*(?s:.*)77: 3072 pixels"):
        convert(export, export.with_name("made"), ConversionOptions())
    (export / "train" / "a_mask.png").unlink()
    with pytest.raises(DatasetError, match=r"train/a.png: no mask of that name"):
        convert(export, export.with_name("made"), ConversionOptions())
    assert not export.with_name("made").exists()


def test_images_of_test_need_no_masks(export: Path) -> None:
    write(export / "test" / "c.png", np.zeros((48, 64, 3), np.uint8))
    (export / "test" / "_classes.csv").write_text(LISTED)
    done = convert_two(export, ConversionOptions())
    assert done.notes == ("1 images of test have no masks and are left out",)


def test_a_list_of_the_user_counts_instead(export: Path) -> None:
    own = export.with_name("own.csv")
    own.write_text("value,name\n0,background\n1,thing\n2,thing\n")
    convert(export, export.with_name("made"), ConversionOptions(classes=own))
    assert pictures_in(export.with_name("made") / "masks" / "train")["a.png"].max() == 1


def test_a_damaged_list_is_not_passed_over(export: Path) -> None:
    (export / "valid" / "_classes.csv").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"valid/_classes.csv: its first line is ''"):
        convert(export, export.with_name("made"), ConversionOptions())
