from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import DatasetError
from edgeunet.spec import IGNORE
from tests.datasets import draw, write_dataset


def test_frames_and_masks_come_as_they_are(tmp_path: Path) -> None:
    samples = load_split(DatasetFolder.open(write_dataset(tmp_path / "d")), "train")
    assert [s.name for s in samples] == ["000", "001", "002", "003"]
    frame, mask = draw(2)
    assert np.array_equal(samples[2].frame, frame)
    assert np.array_equal(samples[2].mask, mask)


def test_ignored_classes_become_one_value(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d")
    mask = np.full((48, 64), 3, np.uint8)
    mask[0] = 1
    cv2.imwrite(str(path / "masks" / "train" / "000.png"), mask)
    loaded = load_split(DatasetFolder.open(path), "train")[0].mask
    assert set(np.unique(loaded)) == {1, IGNORE}
    assert DatasetFolder.open(path).ignore_index == 3


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d", train=7)
    images, masks = path / "images" / "train", path / "masks" / "train"
    (masks / "000.png").unlink()
    (images / "001.png").unlink()
    (images / "002.png").write_bytes(b"")
    (images / "003.png").write_text("no image")
    cv2.imwrite(str(masks / "004.png"), np.zeros((10, 10), np.uint8))
    cv2.imwrite(str(masks / "005.png"), np.full((48, 64), 77, np.uint8))
    cv2.imwrite(str(masks / "006.png"), np.full((48, 64), 300, np.uint16))
    with pytest.raises(DatasetError) as caught:
        load_split(DatasetFolder.open(path), "train")
    message = str(caught.value)
    assert "7 problem(s)" in message
    for part in (
        "images/train/000.png: no mask",
        "masks/train/001.png: no image",
        "images/train/002.png: is empty",
        "images/train/003.png: is not an image",
        "masks/train/004.png: 10x10, but its image is 64x48",
        "masks/train/005.png: values 77 are not in classes.json",
        "masks/train/006.png: is uint16 (16-bit) with values up to 300",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no json", "not a list of classes"),
        ("{}", "the field 'classes' is missing.: it looks like"),
        ('{"classes": [{"index": 1, "name": "a", "color": [0, 0, 0]}]}', "add the background"),
        ('{"classes": [{"index": 0, "name": "a", "color": [0, 0, 0]}]}', "2 to 254 are needed"),
    ],
)
def test_a_bad_class_list_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = write_dataset(tmp_path / "d")
    (path / "classes.json").write_text(text)
    with pytest.raises(DatasetError, match=says):
        DatasetFolder.open(path)


def test_missing_and_empty_folders_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such dataset folder"):
        DatasetFolder.open(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="is empty"):
        DatasetFolder.open(tmp_path / "empty")
    with pytest.raises(DatasetError, match="splits of this dataset: train, val"):
        load_split(DatasetFolder.open(write_dataset(tmp_path / "d")), "test")


def test_masks_in_colours_name_the_command_that_converts_them(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "my frames")
    for k in (1, 2):
        cv2.imwrite(str(path / "masks" / "train" / f"00{k}.png"), np.full((48, 64, 3), (9, 8, 7), np.uint8))
    with pytest.raises(DatasetError) as caught:
        load_split(DatasetFolder.open(path), "train")
    _, problem, remedy = str(caught.value).splitlines()
    assert problem.endswith("is in colours, must be class indices, and 1 more like it")
    assert remedy.endswith(f"`edgeunet data convert '{path}' -o '{path}-dataset'`")


def test_grey_levels_that_are_colours_of_classes_are_masks_in_colours(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d")  # whose ground is (90, 90, 90)
    cv2.imwrite(str(path / "masks" / "train" / "000.png"), np.full((48, 64), 90, np.uint8))
    with pytest.raises(DatasetError, match=r"values 90 are not in classes.json\nmasks in colours .*convert"):
        load_split(DatasetFolder.open(path), "train")


def test_a_folder_in_another_layout_names_the_command_that_converts_it(tmp_path: Path) -> None:
    for name in ("train", "trainannot"):
        (tmp_path / "CamVid" / name).mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"`edgeunet data convert .*CamVid'? -o .*CamVid-dataset` makes"):
        DatasetFolder.open(tmp_path / "CamVid")


def test_a_folder_in_a_dataset_or_around_one_names_it(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "all" / "d")
    for wrong in (path / "images", path / "images" / "val", path / "masks" / "val", path.parent):
        with pytest.raises(DatasetError, match=f"has no classes.json, but {path} has: give that folder$"):
            DatasetFolder.open(wrong)


def test_hidden_folders_are_no_splits_and_hidden_files_no_images(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d")
    for kind in ("images", "masks"):
        (path / kind / ".ipynb_checkpoints").mkdir()
        (path / kind / "train" / "._000.png").write_bytes(b"")
    dataset = DatasetFolder.open(path)
    assert dataset.splits() == ("train", "val")
    assert len(load_split(dataset, "train")) == 4


def test_images_and_masks_may_have_any_format_and_name(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d")
    name = os.fsdecode(b"v\xff")
    for kind, ending in (("images", ".webp"), ("masks", ".gif")):
        file = path / kind / "train" / "000.png"
        Image.open(file).save(path / kind / "train" / f"a{ending}", lossless=True)  # GIF has no such option, nor minds
        (path / kind / "train" / f"a{ending}").rename(path / kind / "train" / f"{name}{ending}")
        file.unlink()
    dataset = DatasetFolder.open(path)
    loaded = load_split(dataset, "train")
    sample = loaded[3]
    assert sample.name == name
    assert np.array_equal(sample.frame, draw(0)[0])
    assert np.array_equal(sample.mask, draw(0)[1])
    assert len(loaded.sha256) == 64


def test_a_palette_is_read_by_index_unless_its_colours_are_those_of_other_classes(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d")
    file = path / "masks" / "train" / "000.png"
    mask = draw(0)[1]
    own = [(90, 90, 90), (255, 0, 0), (0, 0, 255)]
    for colors in (own, [(1, 2, 3), (4, 5, 6), (7, 8, 9)]):
        image = Image.fromarray(mask, "P")
        image.putpalette([channel for color in colors for channel in color])
        image.save(file)
        assert np.array_equal(load_split(DatasetFolder.open(path), "train")[0].mask, mask)
    image = Image.fromarray(2 - mask, "P")  # the same colours in another order: its index means nothing
    image.putpalette([channel for color in reversed(own) for channel in color])
    image.save(file)
    with pytest.raises(DatasetError, match=r"000.png: is in colours, must be class indices\n.*edgeunet data convert"):
        load_split(DatasetFolder.open(path), "train")


def test_a_folder_without_splits_names_the_command_that_makes_them(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d")
    for kind in ("images", "masks"):
        for file in (path / kind / "train").iterdir():
            file.rename(path / kind / file.name)
        shutil.rmtree(path / kind / "train")
        shutil.rmtree(path / kind / "val")
    with pytest.raises(DatasetError, match=r"no images/<split>: divide them with `edgeunet data convert .*d-dataset`"):
        load_split(DatasetFolder.open(path), "train")
    assert convert(path, tmp_path / "d-dataset", ConversionOptions()).frames == {"train": 3, "val": 1}


@pytest.mark.parametrize("split", ["", ".", "../masks/val", "{root}/images/val", ".hidden"])
def test_a_split_is_one_of_its_folders_and_no_path(tmp_path: Path, split: str) -> None:
    path = write_dataset(tmp_path / "d", train=1, val=1)
    shutil.copytree(path / "images" / "val", path / "images" / ".hidden")
    with pytest.raises(DatasetError, match="splits of this dataset: train, val"):
        DatasetFolder.open(path).image_paths(split.format(root=path))
