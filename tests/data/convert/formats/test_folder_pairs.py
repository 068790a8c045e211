"""Images and masks in folders of usual names: which splits there are, and which mask belongs to which image."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.errors import DatasetError, UsageError
from tests.data.convert.trees import colored, pictures_in, write
from tests.data.convert.two_frames import HALF, HEIGHT, WIDTH, convert_two, expected

LIST = "name,r,g,b\nbackground,0,0,0\nroad,128,0,0\ncar,0,128,0\n"
TWO_COLORS = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]


def write_pair(images: Path, masks: Path, names: str = "ab", *, of: str = "{}", to: str = "{}") -> None:
    """Images and their masks in colours, named as the patterns say."""
    for name in names:
        write(images / f"{of.format(name)}.png", np.full((HEIGHT, WIDTH, 3), ord(name), np.uint8))
        write(masks / f"{to.format(name)}.png", colored(expected(name), TWO_COLORS))


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images/{}", "masks/{}"),
        ("img_dir/{}", "ann_dir/{}"),
        ("{}/images", "{}/masks"),
        ("{}/imgs", "{}/labels"),
        ("{}", "{}_labels"),
        ("{}", "{}_mask"),
        ("{}_images", "{}_masks"),
        ("img-{}", "label-{}"),
        ("images/{}/day 1", "annotations/{}/day 1"),
    ],
)
@pytest.mark.parametrize("splits", [("train", "val"), ("training", "validation"), ("train", "valid")])
def test_splits_may_be_below_above_or_in_the_names(
    tmp_path: Path, images: str, masks: str, splits: tuple[str, str]
) -> None:
    source = tmp_path / "source"
    for split, name in zip(splits, "ab", strict=True):
        write_pair(source / images.format(split), source / masks.format(split), name)
    (source / "class_dict.csv").write_text(LIST)
    done = convert_two(source, ConversionOptions())
    assert done.frames == {"train": 1, "val": 1}
    assert done.recognised.startswith("images and masks, by ")
    assert done.layout == "colors"


@pytest.mark.parametrize(
    ("of", "to"),
    [
        ("x{}", "x{}"),
        ("{}_01", "{}_01_mask"),
        ("{}_leftImg8bit", "{}_gtFine_labelTrainIds"),
        ("img_{}", "mask_{}"),
        ("{}_sat", "{}_label"),
        ("IMG {}-photo", "seg.{}"),
    ],
)
def test_masks_are_found_by_what_names_have_in_common(tmp_path: Path, of: str, to: str) -> None:
    source = tmp_path / "source"
    write_pair(source / "images", source / "masks", "ab", of=of, to=to)
    (source / "class_dict.csv").write_text(LIST)
    done = convert(source, tmp_path / "made", HALF)
    assert sum(done.frames.values()) == 2
    made = {**pictures_in(tmp_path / "made/masks/train"), **pictures_in(tmp_path / "made/masks/val")}
    assert made.keys() == {f"{of.format(k)}.png" for k in "ab"}
    assert all(np.array_equal(made[f"{of.format(k)}.png"], expected(k)) for k in "ab")


def test_names_without_anything_in_common_are_not_paired(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_pair(source / "images", source / "masks", "ab", of="{}1", to="{}2")
    (source / "class_dict.csv").write_text(LIST)
    with pytest.raises(DatasetError, match="no mask of that name"):
        convert(source, tmp_path / "made", HALF)


def test_files_of_one_name_in_several_folders_do_not_meet(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for camera, name in (("left", "a"), ("right", "b")):
        write_pair(source / "images" / camera, source / "masks" / camera, name, of="0", to="0")
    (source / "class_dict.csv").write_text(LIST)
    convert(source, tmp_path / "made", HALF)
    made = {**pictures_in(tmp_path / "made/masks/train"), **pictures_in(tmp_path / "made/masks/val")}
    assert np.array_equal(made["left_0.png"], expected("a"))
    assert np.array_equal(made["right_0.png"], expected("b"))


def test_any_pair_of_folders_may_be_named(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for split, name in (("train", "a"), ("val", "b")):
        write_pair(source / split / "what i saw", source / split / "drawn", name)
    (source / "class_dict.csv").write_text(LIST)
    with pytest.raises(DatasetError, match="has no known layout"):
        convert(source, tmp_path / "made", ConversionOptions())
    first = source / "train"
    done = convert_two(source, ConversionOptions(images=first / "what i saw", masks=first / "drawn"))
    assert done.recognised == "images and masks, by --images and --masks"
    assert done.frames == {"train": 1, "val": 1}
    with pytest.raises(UsageError, match="give both"):
        convert(source, tmp_path / "more", ConversionOptions(masks=first / "drawn"))
    with pytest.raises(DatasetError, match="nowhere: no such folder"):
        convert(source, tmp_path / "more", ConversionOptions(images=tmp_path / "nowhere", masks=first / "drawn"))


def test_masks_in_a_folder_of_the_images(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_pair(source, source / "drawn")
    (source / "class_dict.csv").write_text(LIST)
    convert_two(source, ConversionOptions(images=source, masks=source / "drawn", val_share=0.5))


def test_several_folders_that_may_be_the_masks_are_named(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_pair(source / "imgs", source / "labels")
    write_pair(source / "imgs", source / "gt")
    with pytest.raises(DatasetError, match=r"has imgs/, labels/, gt/: say which with --images and --masks"):
        convert(source, tmp_path / "made", HALF)


@pytest.mark.parametrize(
    ("folders", "value"), [(("train", "train_masks"), 255), (("imgs", "masks"), 1), (("images", "masks"), 255)]
)
def test_masks_of_two_values_need_no_list(tmp_path: Path, folders: tuple[str, str], value: int) -> None:
    """As Carvana's; what the other value means is not written down."""
    source = tmp_path / "source"
    for name in "ab":
        write(source / folders[0] / f"{name}_01.png", np.full((HEIGHT, WIDTH, 3), ord(name), np.uint8))
        mask = (expected(name) == 2).astype(np.uint8)
        (source / folders[1]).mkdir(exist_ok=True)
        if value == 1:
            cv2.imwrite(str(source / folders[1] / f"{name}_01_mask.png"), mask)
        else:
            image = Image.fromarray(mask)
            image.putpalette([0, 0, 0, 255, 255, 255])
            image.save(source / folders[1] / f"{name}_01_mask.gif")
    done = convert(source, tmp_path / "made", HALF)
    assert done.notes == (
        "there is no list of classes: 0 or black is background, the other value object; --classes names them",
    )
    made = {**pictures_in(tmp_path / "made/masks/train"), **pictures_in(tmp_path / "made/masks/val")}
    assert all(np.array_equal(made[f"{name}_01.png"], expected(name) == 2) for name in "ab")
    own = tmp_path / "own.csv"
    numbers, colors = "value,name\n0,background\n1,car\n", "name,r,g,b\nbackground,0,0,0\ncar,255,255,255\n"
    own.write_text(numbers if value == 1 else colors)
    convert(source, tmp_path / "named", ConversionOptions(classes=own, val_share=0.5))
    listed = json.loads((tmp_path / "named/classes.json").read_text())["classes"]
    assert [c["name"] for c in listed] == ["background", "car"]


def test_an_empty_pair_is_refused(tmp_path: Path) -> None:
    for folder in ("images", "masks"):
        (tmp_path / "source" / folder).mkdir(parents=True)
    with pytest.raises(DatasetError, match="has no labelled frame: no mask has an image's name"):
        convert(tmp_path / "source", tmp_path / "made", HALF)
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize(
    ("of", "to"), [("{}", "{}_mask"), ("{}_sat", "{}_mask"), ("img_{}", "mask_{}"), ("{}", "{} Label")]
)
@pytest.mark.parametrize("folders", [("", ""), ("train", "val")])
def test_masks_may_lie_beside_their_images(tmp_path: Path, of: str, to: str, folders: tuple[str, str]) -> None:
    for folder, names in zip(folders, ("ac", "bd"), strict=True):
        for name in names:
            write(
                tmp_path / "source" / folder / f"{of.format(name)}.png",
                np.full((HEIGHT, WIDTH, 3), ord(name), np.uint8),
            )
            write(tmp_path / "source" / folder / f"{to.format(name)}.png", expected("a"))
    (tmp_path / "names.txt").write_text("background\nroad\ncar\n")
    done = convert(tmp_path / "source", tmp_path / "made", ConversionOptions(classes=tmp_path / "names.txt"))
    assert sum(done.frames.values()) == 4
    made = {k: v for split in ("train", "val") for k, v in pictures_in(tmp_path / "made" / "masks" / split).items()}
    assert set(made) == {f"{of.format(name)}.png" for name in "abcd"}
    assert all(np.array_equal(mask, expected("a")) for mask in made.values())


def test_of_two_files_of_a_name_the_png_is_the_mask(tmp_path: Path) -> None:
    for name in "abcd":
        write(tmp_path / "source" / f"{name}.jpg", np.full((HEIGHT, WIDTH, 3), ord(name), np.uint8))
        write(tmp_path / "source" / f"{name}.png", expected("a"))
    (tmp_path / "names.txt").write_text("background\nroad\ncar\n")
    options = ConversionOptions(classes=tmp_path / "names.txt")
    assert sum(convert(tmp_path / "source", tmp_path / "made", options).frames.values()) == 4
    for split in ("train", "val"):
        for mask in pictures_in(tmp_path / "made" / "masks" / split).values():
            assert np.array_equal(mask, expected("a"))
