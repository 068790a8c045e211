"""What `data stats` says about labels as an experienced eye would."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeunet.data.checks import check_dataset
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.facts.object_sizes import usual_input_size, usual_tiles
from edgeunet.data.loading import survey
from edgeunet.imaging.letterbox import UInt8
from edgeunet.samples import DATASET
from edgeunet.utils.check import Check
from tests.commands import Run
from tests.datasets import draw, write_dataset
from tests.models import toy_spec

SHORT = ("--model", "nano", "--batch", "1", "--steps", "1", "--size", "32x32")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "d", train=12, val=5, size=(64, 96))


def found_in(path: Path, size: tuple[int, int] | None = None) -> list[Check]:
    dataset = DatasetFolder.open(path)
    return check_dataset(dataset, survey(dataset), size)


def only(path: Path, size: tuple[int, int] | None = None) -> Check:
    found = found_in(path, size)
    assert len(found) == 1, found
    return found[0]


def masks_of(path: Path, split: str = "train") -> list[Path]:
    return sorted((path / "masks" / split).iterdir())


def read(file: Path) -> UInt8:
    return np.asarray(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), np.uint8)


def test_objects_that_vanish_at_the_input_size_are_named(data: Path) -> None:
    assert found_in(data) == []
    check = only(data, (8, 12))
    assert (check.state, check.part) == ("warning", "disc")
    assert check.found.startswith("100.0 % of its objects are smaller than 2 pixels at the input size 8×12")
    assert "--size 16x24" in check.remedy
    assert "--tiles" not in check.remedy, "the frames are small"


def test_objects_that_are_tiny_in_the_images_need_other_images(data: Path) -> None:
    for split in ("train", "val"):
        for file in masks_of(data, split):
            mask = read(file)
            mask[mask == 1] = 0
            mask[::8, ::8] = 1
            cv2.imwrite(str(file), mask)
    check = next(c for c in found_in(data) if "smaller than 2 pixels" in c.found)
    assert (check.part, check.remedy) == ("disc", "images of a higher resolution are needed")


def test_training_says_it_too(run: Run, tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d", train=12, val=3, size=(64, 96))
    ran = run("train", path, "-o", tmp_path / "r", *SHORT)
    assert ran.code == 0
    assert "smaller than 2 pixels" not in ran.err
    for split in ("train", "val"):
        for file in masks_of(path, split):
            cv2.imwrite(str(file), np.where(read(file) == 2, 0, read(file)))
            speck = read(file)
            speck[1:4, 1:4] = 2
            cv2.imwrite(str(file), speck)
    ran = run("train", path, "-o", tmp_path / "s", *SHORT)
    assert "warning: bar: 100.0 % of its objects are smaller than 2 pixels at the input size 32×32" in ran.err


def test_masks_of_almost_only_background_are_told(data: Path) -> None:
    for file in masks_of(data)[3:]:
        mask = np.zeros((64, 96), np.uint8)
        mask[:7, :7] = 1
        cv2.imwrite(str(file), mask)
    found = [c for c in found_in(data) if "99 %" in c.found]
    assert [(c.part, c.found) for c in found] == [("d", "ground has more than 99 % of the pixels in 9 of 17 masks")]


def test_frames_alike_in_two_splits_are_named(data: Path) -> None:
    image = read(data / "images" / "train" / "003.png")
    cv2.imwrite(str(data / "images" / "val" / "001.png"), cv2.convertScaleAbs(image, alpha=1.1, beta=5))
    check = only(data)
    assert (check.state, check.part) == ("warning", "train and val")
    assert check.found == "1 frame(s) of val look like one of train: 003 ≈ 001"


def test_masks_of_two_file_types_are_named_with_the_classes_that_differ(data: Path) -> None:
    for file in masks_of(data)[6:]:
        mask = read(file)
        mask[mask == 1] = 0
        image = Image.fromarray(mask)
        image.putpalette(bytes(range(256)) * 3)
        image.save(file)
    check = only(data)
    assert "11 grey PNG (000, …), 6 palette PNG (006, …)" in check.found
    assert check.found.endswith("only one of the two largest groups has disc")


def test_the_bits_that_a_tool_saves_are_no_other_tool(data: Path) -> None:
    for file in masks_of(data):
        cv2.imwrite(str(file), np.where(read(file) == 2, 0, read(file)))
    before = found_in(data)
    file = masks_of(data)[0]
    Image.fromarray(read(file) > 0).save(file)
    with Image.open(file) as image:
        assert image.mode == "1"
    assert found_in(data) == before


def test_255_in_some_masks_for_a_class_of_the_others_is_told(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d", train=12, val=3, classes=2, size=(64, 96))
    listed = json.loads((path / "classes.json").read_text())["classes"][:2]
    (path / "classes.json").write_text(json.dumps({"classes": listed}))
    assert found_in(path) == []
    for file in masks_of(path)[6:]:
        cv2.imwrite(str(file), read(file) * 255)
    check = only(path)
    assert check.found == "6 masks have 255, which is ignored, and none of these has disc, which is in most others"


def test_smoothed_masks_are_named(tmp_path: Path) -> None:
    path = tmp_path / "d"
    shutil.copytree(DATASET, path)
    assert found_in(path) == []
    for file in masks_of(path)[:3]:
        mask = read(file)
        small = cv2.resize(mask, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_LINEAR)
        cv2.imwrite(str(file), cv2.resize(small, mask.shape[::-1], interpolation=cv2.INTER_LINEAR))
    check = next(c for c in found_in(path) if "between those on both sides" in c.found)
    assert check.found.startswith("3 of 11 masks have")
    assert "0000, 0002, 0003" in check.found


def test_a_thin_class_around_another_is_not_a_smoothed_mask(data: Path) -> None:
    for split in ("train", "val"):
        for k, file in enumerate(masks_of(data, split)):
            mask = draw(k, 2, (64, 96))[1] * 2
            rim = cv2.dilate(mask, np.ones((3, 3))) - mask
            cv2.imwrite(str(file), np.where(rim > 0, 1, mask).astype(np.uint8))
    assert [c for c in found_in(data) if "between" in c.found] == []


def test_masks_beside_their_objects_are_told_with_the_direction(data: Path) -> None:
    for file in masks_of(data) + masks_of(data, "val"):
        cv2.imwrite(str(file), np.roll(read(file), (1, -1), (0, 1)))
    check = only(data)
    assert check.found.startswith(
        "the edges of the masks lie 1 pixel(s) left and 1 pixel(s) down of those in the images, in 100.0 % of 17"
    )


def test_the_usual_tiles_keep_the_resolution() -> None:
    for frame in ((1024, 1024), (1080, 1920), (3000, 4000), (480, 640)):
        tiles = usual_tiles(frame)
        size = usual_input_size([frame], tiles)
        canvas = replace(toy_spec(size), tiles=tiles).fitted_size
        assert tiles == (1, 1) or all(side >= least for side, least in zip(canvas, frame, strict=True)), frame
    assert usual_tiles((480, 640)) == (1, 2)
    assert usual_input_size([(1024, 1024)], (2, 2)) == (576, 576)
    assert usual_input_size([(8000, 8000)], (2, 2)) == (576, 576)


def test_objects_that_vanish_in_tiles_too_need_more_of_them(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d", train=1, val=1, size=(700, 1200))
    dataset = DatasetFolder.open(path)
    facts = survey(dataset)
    (check,) = [c for c in check_dataset(dataset, facts, (60, 90), tiled=True) if "--tiles" in c.remedy]
    assert (
        check.remedy == "cut the frames into tiles with --tiles 2x3, without --size: they keep the frames' resolution"
    )
    (check,) = [c for c in check_dataset(dataset, facts, (60, 90)) if "--tiles" in c.remedy]
    assert check.remedy.endswith(", or cut the frames into tiles with --tiles 2x3")
