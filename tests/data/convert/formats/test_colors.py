"""Images and masks of the same names: in colours, or in class indices."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import DatasetError
from edgeunet.samples import DATASET
from edgeunet.spec import IGNORE
from tests.data.convert.trees import colored, contents, pictures_in, write, write_colors
from tests.datasets import CLASSES, draw

SHARED = Path(__file__).parents[4] / "../shared/data"


def test_colours_become_the_indices_they_were_made_from(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    before = contents(source)
    done = convert(source, tmp_path / "made", ConversionOptions())
    assert (done.layout, done.frames, done.notes, done.warnings) == ("colors", {"train": 3, "val": 3}, (), ())
    expected = draw(1)[1]
    expected[0] = IGNORE
    sample = load_split(DatasetFolder.open(tmp_path / "made"), "train")[1]
    assert np.array_equal(sample.mask, expected)
    made = contents(tmp_path / "made")
    assert {n: b for n, b in made.items() if n.startswith("images")} == {
        n: b for n, b in before.items() if n.startswith("images")
    }
    assert contents(source) == before
    assert json.loads(made["classes.json"])["classes"] == CLASSES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "split"), [(DATASET, "train"), (SHARED / "camvid", "val"), (SHARED / "membrane", "train")]
)
def test_real_pictures_in_colours_come_back_to_the_value(tmp_path: Path, data: Path, split: str) -> None:
    if not data.is_dir():
        pytest.skip(f"no {data}: the masks are there")
    listed = json.loads((data / "classes.json").read_text())
    colors = [c["color"] for c in listed["classes"]]
    original = dict(list(pictures_in(data / "masks" / split).items())[:25])
    for name, mask in original.items():
        write(tmp_path / "source" / "masks" / split / name, colored(mask, colors))
        frame = np.zeros((*mask.shape, 3), np.uint8)
        write(tmp_path / "source" / "images" / split / name, frame)
    (tmp_path / "source" / "classes.json").write_text(json.dumps(listed))
    convert(tmp_path / "source", tmp_path / "made", ConversionOptions(val_share=None if split == "val" else 0.2))
    made = pictures_in(tmp_path / "made" / "masks" / split)
    if split == "train":
        made |= pictures_in(tmp_path / "made" / "masks" / "val")
    assert made.keys() == original.keys()
    assert all(np.array_equal(made[name], mask) for name, mask in original.items())


def test_grey_0_and_255_are_colours_too(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", frames=5)
    classes = tmp_path / "label_colors.txt"
    classes.write_text("0 0 0 ground\n255 255 255 disc\n")
    for k in range(5):
        cv2.imwrite(str(source / "masks" / f"{k:03}.png"), 255 * draw(k, classes=2)[1])
    convert(source, tmp_path / "made", ConversionOptions(classes=classes))
    assert np.array_equal(pictures_in(tmp_path / "made" / "masks" / "train")["000.png"], draw(0, classes=2)[1])


def test_images_in_other_formats_stay_as_they_are(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"), suffix=".bmp")
    convert(source, tmp_path / "made", ConversionOptions())
    assert np.array_equal(pictures_in(tmp_path / "made" / "images" / "val")["002.bmp"], draw(2)[0])


def test_unknown_colours_are_counted_and_named(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    for split, count in (("train", 5), ("val", 2)):
        file = source / "masks" / split / "001.png"
        mask = np.asarray(cv2.imread(str(file)))
        mask[1, :count] = (7, 8, 9)
        mask[2, :1] = (1, 1, 1)
        cv2.imwrite(str(file), mask)
    with pytest.raises(DatasetError) as caught:
        convert(source, tmp_path / "made", ConversionOptions())
    assert str(caught.value).splitlines() == [
        f"{source} has 2 colour(s) that {source}/classes.json does not have, 0.0 % of all pixels:",
        "  (9, 8, 7): 7 pixels, first in masks/train/001.png",
        "  (1, 1, 1): 2 pixels, first in masks/train/001.png",
        "add each to the list of classes, or leave these pixels out with --ignore-unknown",
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["source"]
    done = convert(source, tmp_path / "made", ConversionOptions(ignore_unknown=True))
    assert done.notes == ("9 pixels of unknown colours, 0.0 % of all, are ignored",)
    assert (pictures_in(tmp_path / "made" / "masks" / "train")["001.png"][1, :5] == 3).all(), "void"


def test_masks_of_indices_are_told_from_colours(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", splits=("train", "val"))
    for split in ("train", "val"):
        for k in range(3):
            cv2.imwrite(str(source / "masks" / split / f"{k:03}.png"), draw(k)[1] + 1)
    with pytest.raises(DatasetError, match=r"these look like class indices: .*--layout indices"):
        convert(source, tmp_path / "made", ConversionOptions(layout="colors"))
    assert convert(source, tmp_path / "made", ConversionOptions()).layout == "indices"
    assert np.array_equal(pictures_in(tmp_path / "made" / "masks" / "val")["002.png"], draw(2)[1] + 1)
    cv2.imwrite(str(source / "masks" / "val" / "000.png"), np.full((48, 64), 4, np.uint8))
    with pytest.raises(DatasetError, match=r"1 value\(s\) that .*:\n  4: 3072 pixels"):
        convert(source, tmp_path / "more", ConversionOptions(layout="indices"))


def test_without_a_list_of_classes_one_is_written_to_fill_in(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source")
    (source / "classes.json").unlink()
    before = contents(source)
    with pytest.raises(DatasetError, match=r"no list of classes: wrote .*made.classes.csv ") as told:
        convert(source, tmp_path / "made", ConversionOptions())
    assert contents(source) == before
    listed = tmp_path / "made.classes.csv"
    assert str(told.value).endswith(f"`edgeunet data convert {source} -o {tmp_path}/made --classes {listed}`")
    colors = [line.split('"')[1] for line in listed.read_text().splitlines()[1:]]
    assert sorted(colors) == ["0,0,0", "0,0,255", "255,0,0", "90,90,90"]
    with pytest.raises(DatasetError, match="give your list"):
        convert(source, tmp_path / "made", ConversionOptions())
    assert convert(source, tmp_path / "made", ConversionOptions(classes=listed)).frames == {"train": 2, "val": 1}


def test_of_masks_of_numbers_the_list_to_fill_in_has_the_numbers(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", frames=5)
    (source / "classes.json").unlink()
    for k in range(5):
        cv2.imwrite(str(source / "masks" / f"{k:03}.png"), draw(k)[1])
    with pytest.raises(DatasetError, match=r"wrote .*made.classes.csv"):
        convert(source, tmp_path / "made", ConversionOptions())
    done = convert(source, tmp_path / "made", ConversionOptions(classes=tmp_path / "made.classes.csv"))
    assert (done.layout, done.warnings) == ("indices", ())
    assert np.array_equal(pictures_in(tmp_path / "made" / "masks" / "train")["000.png"], draw(0)[1])


def test_black_and_white_masks_of_a_red_class_are_told_whose_colour_white_may_be(tmp_path: Path) -> None:
    source = write_colors(tmp_path / "source", frames=5)
    classes = tmp_path / "label_colors.txt"
    classes.write_text("0 0 0 ground\n255 0 0 disc\n")
    for k in range(5):
        cv2.imwrite(str(source / "masks" / f"{k:03}.png"), 255 * draw(k, classes=2)[1])
    with pytest.raises(DatasetError, match=r"no mask has disc: if the colours above mean that, change"):
        convert(source, tmp_path / "made", ConversionOptions(classes=classes))
