"""CamVid as its authors publish it, and in the folders of the SegNet tutorial."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgeunet.data.convert.conversion import convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.errors import DatasetError
from tests.data.convert.trees import LABEL_COLORS, pictures_in, write, write_camvid

SHARED = Path(__file__).parents[4] / "../shared/data/camvid"
# Class by line of label_colors.txt, written out here a second time: the 11 classes of SegNet, and 11 for void.
GROUPED = [9, 1, 10, 1, 1, 8, 9, 9, 2, 7, 3, 3, 6, 10, 8, 4, 9, 3, 4, 4, 6, 0, 8, 2, 6, 8, 5, 8, 1, 5, 11, 1]


def test_32_colours_become_the_11_classes_of_segnet(tmp_path: Path) -> None:
    source = write_camvid(tmp_path / "source")
    done = convert(source, tmp_path / "made", ConversionOptions(val_share=0.25))
    assert (done.layout, done.frames, done.notes, done.warnings) == ("camvid", {"train": 3, "val": 1}, (), ())
    expected = np.repeat(np.array(GROUPED, np.uint8)[:, None], 8, axis=1)
    masks = pictures_in(tmp_path / "made" / "masks" / "train")
    assert list(masks) == ["0006R0_f00930.png", "0006R0_f00960.png", "0006R0_f00990.png"]
    assert all(np.array_equal(mask, expected) for mask in masks.values())
    classes = json.loads((tmp_path / "made" / "classes.json").read_text())["classes"]
    assert [c["name"] for c in classes[::11]] == ["sky", "void"]
    assert [c["index"] for c in classes if c["ignore"]] == [11]


def test_the_official_lists_make_the_official_splits(tmp_path: Path) -> None:
    source = write_camvid(tmp_path / "source")
    lists = {"train": "0006R0_f00960", "val": "0006R0_f00930", "test": "0006R0_f01020"}
    for split, name in lists.items():  # a line as in the tutorial's files: image and mask
        line = f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png\n"
        (tmp_path / f"{split}.txt").write_text(line)
    options = ConversionOptions(lists={split: tmp_path / f"{split}.txt" for split in lists})
    done = convert(source, tmp_path / "made", options)
    assert done.notes == ("1 frame(s) are not in any list and are left out",)
    for split, name in lists.items():
        assert list(pictures_in(tmp_path / "made" / "masks" / split)) == [f"{name}.png"]


def test_without_its_list_of_colours_it_is_refused(tmp_path: Path) -> None:
    source = write_camvid(tmp_path / "source")
    (source / "label_colors.txt").write_text(LABEL_COLORS.replace("Wall", "Hedge"))
    with pytest.raises(DatasetError, match=r"has classes that CamVid does not have \(Hedge\): .*--layout colors"):
        convert(source, tmp_path / "made", ConversionOptions())
    (source / "label_colors.txt").unlink()
    with pytest.raises(DatasetError, match=r"has no label_colors.txt: it comes with CamVid"):
        convert(source, tmp_path / "made", ConversionOptions())


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/data/camvid: real masks of CamVid are there")
def test_real_pictures_in_segnets_folders_stay_as_they_are(tmp_path: Path) -> None:
    source, expected = tmp_path / "CamVid", {}
    for split in ("train", "val"):
        expected[split] = dict(list(pictures_in(SHARED / "masks" / split).items())[:20])
        (source / split).mkdir(parents=True)
        for name, mask in expected[split].items():
            write(source / f"{split}annot" / name, mask)
            stem = Path(name).stem
            shutil.copy(SHARED / "images" / split / f"{stem}.jpg", source / split / f"{stem}.jpg")
    done = convert(source, tmp_path / "made", ConversionOptions())
    assert (done.layout, done.frames) == ("segnet", {"train": 20, "val": 20})
    for split, masks in expected.items():
        made = pictures_in(tmp_path / "made" / "masks" / split)
        assert made.keys() == masks.keys()
        assert all(np.array_equal(made[name], mask) for name, mask in masks.items())
        for image in (tmp_path / "made" / "images" / split).iterdir():
            assert image.read_bytes() == (SHARED / "images" / split / image.name).read_bytes()
    own = json.loads((SHARED / "classes.json").read_text())["classes"]
    assert json.loads((tmp_path / "made" / "classes.json").read_text())["classes"] == own


def test_a_test_split_is_kept_and_val_made_of_train(tmp_path: Path) -> None:
    for split, count in (("train", 10), ("test", 2)):
        for k in range(count):
            write(tmp_path / "source" / split / f"{split}{k}.png", np.zeros((4, 4, 3), np.uint8))
            write(tmp_path / "source" / f"{split}annot" / f"{split}{k}.png", np.full((4, 4), k, np.uint8))
    done = convert(tmp_path / "source", tmp_path / "made", ConversionOptions())
    assert done.frames == {"train": 8, "val": 2, "test": 2}
    assert list(pictures_in(tmp_path / "made" / "masks" / "val")) == ["train8.png", "train9.png"]


def test_a_value_that_camvid_has_not_is_named(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write(tmp_path / "source" / split / "a.png", np.zeros((4, 4, 3), np.uint8))
        write(tmp_path / "source" / f"{split}annot" / "a.png", np.full((4, 4), 12, np.uint8))
    with pytest.raises(DatasetError, match=r"1 value\(s\) that CamVid does not have, .*:\n  12: 32 pixels"):
        convert(tmp_path / "source", tmp_path / "made", ConversionOptions())
