"""Faults put into a sound dataset one by one: each must be found, and named with its remedy."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.data.checks import check_dataset
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split, survey
from edgeunet.imaging.images import SOME_ENDINGS
from edgeunet.imaging.letterbox import UInt8
from edgeunet.utils.check import Check
from tests.datasets import write_dataset

SIZE = (64, 96)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """12 train and 3 val frames of three classes and void, in which nothing is found."""
    path = write_dataset(tmp_path / "d", train=12, val=3, size=SIZE)
    assert found_in(path) == []
    return path


def found_in(path: Path) -> list[Check]:
    dataset = DatasetFolder.open(path)
    return check_dataset(dataset, survey(dataset))


def change_masks(path: Path, split: str, change: Callable[[UInt8], None], *, keep: int = 0) -> None:
    """Change every mask of a split but the first `keep`."""
    for file in sorted((path / "masks" / split).iterdir())[keep:]:
        mask = np.asarray(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), np.uint8)
        change(mask)
        cv2.imwrite(str(file), mask)


def without(index: int) -> Callable[[UInt8], None]:
    def change(mask: UInt8) -> None:
        mask[mask == index] = 0

    return change


def only(path: Path) -> Check:
    found = found_in(path)
    assert len(found) == 1, found
    return found[0]


def test_a_class_absent_from_train_cannot_be_learnt(data: Path) -> None:
    change_masks(data, "train", without(2))
    check = only(data)
    assert (check.state, check.part) == ("warning", "bar")
    assert check.found == "never occurs in train, but in 3 frame(s) of val"
    assert "cannot learn it" in check.remedy
    change_masks(data, "val", without(2))
    assert only(data).found == "never occurs"


def test_a_class_absent_from_val_cannot_be_scored(data: Path) -> None:
    change_masks(data, "val", without(1))
    assert (only(data).part, only(data).found) == ("disc", "never occurs in val")


def test_a_class_in_few_frames_is_named_with_their_number(data: Path) -> None:
    change_masks(data, "train", without(2), keep=5)
    assert found_in(data) == []
    change_masks(data, "train", without(2), keep=4)
    assert only(data).found == "occurs in only 4 of 12 train frames"


def test_a_binary_mask_with_255_is_told_what_255_means(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d", train=12, val=3, classes=2, size=SIZE)
    classes = [{"index": i, "name": n, "color": [c] * 3} for i, (n, c) in enumerate((("cell", 0), ("rim", 255)))]
    (path / "classes.json").write_text(json.dumps({"classes": classes}))
    assert found_in(path) == []

    def times_255(mask: UInt8) -> None:
        mask *= 255

    for split in ("train", "val"):
        change_masks(path, split, times_255)
    check = only(path)
    assert (check.state, check.found) == ("wrong", "cell is the only class in its masks")
    assert "masks have 255 in " in check.remedy
    assert shlex.join(["edgeunet", "data", "convert", str(path), "-o", f"{path}-dataset"]) in check.remedy


def test_frames_in_two_splits_are_found_in_whatever_file_they_are(data: Path) -> None:
    shutil.copy(data / "images" / "train" / "003.png", data / "images" / "val" / "001.png")
    again = np.asarray(cv2.imread(str(data / "images" / "train" / "004.png")))
    cv2.imwrite(str(data / "images" / "val" / "002.png"), again, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    check = only(data)
    assert (check.state, check.part) == ("warning", "train and val")
    assert check.found == "2 frame(s) are in both: 003 = 001, 004 = 002"


def test_mostly_ignored_masks_are_named(data: Path) -> None:
    def ignore(mask: UInt8) -> None:
        mask[: SIZE[0] // 2 + 1] = 3

    change_masks(data, "train", ignore, keep=11)
    assert (only(data).part, only(data).found) == (
        "train",
        "1 mask(s) are ignored in more than half of their pixels: 011",
    )


def test_a_split_without_a_label_must_be_mended(data: Path) -> None:
    change_masks(data, "train", lambda mask: mask.fill(3))
    wrong = [f for f in found_in(data) if f.state == "wrong"]
    assert [(f.part, f.found) for f in wrong] == [("train", "every pixel is ignored")]


def test_a_single_frame_is_not_much_of_a_split(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d", train=1, val=1, size=SIZE)
    assert [(f.part, f.found) for f in found_in(path)] == [
        ("train", "has a single frame"),
        ("val", "has a single frame"),
    ]


def test_small_frames_are_named_with_their_size(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d", train=12, val=3, size=(48, 64))
    found = [f.found for f in found_in(path)]
    assert found[0] == "12 frame(s) have a side below 64 pixels: 000 (64x48), 001 (64x48), 002 (64x48), …"


def test_a_missing_and_an_empty_split_must_be_mended(data: Path) -> None:
    (data / "images" / "test").mkdir()
    for kind in ("images", "masks"):
        (data / kind / "val").rename(data / kind / "other")
    wrong = [(f.part, f.found) for f in found_in(data) if f.state == "wrong"]
    assert wrong == [
        ("images/test", f"has no images ({SOME_ENDINGS})"),
        ("val", "there is no images/val"),
    ]


def test_many_faults_alike_are_counted_not_listed(data: Path) -> None:
    for file in (data / "masks" / "train").iterdir():
        cv2.imwrite(str(file), np.full((*SIZE, 3), (9, 8, 7), np.uint8))
    colored = only(data)
    assert colored.state == "wrong"
    assert colored.found.endswith("and 11 more like it")
    assert "edgeunet data convert" in colored.remedy


def test_training_is_told_the_same(data: Path) -> None:
    change_masks(data, "train", without(1))
    dataset = DatasetFolder.open(data)
    assert check_dataset(dataset, {s: load_split(dataset, s).facts for s in ("train", "val")}, SIZE) == [only(data)]
    assert only(data).text.startswith("disc: never occurs in train")
    assert "\n" not in only(data).text


def test_tiles_that_enlarge_every_frame_are_named(data: Path) -> None:
    dataset = DatasetFolder.open(data)
    facts = survey(dataset)
    (check,) = check_dataset(dataset, facts, (64 * 5, 96 * 4), tiled=True)
    assert check.text.startswith("--tiles: all tiles together have 384x320 pixels and enlarge every frame, 4.0 times")
    assert not check_dataset(dataset, facts, (64 * 2, 96 * 2), tiled=True)
