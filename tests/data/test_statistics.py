"""What `edgeunet data stats` counts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split, survey
from edgeunet.data.statistics import FrameFacts, statistics
from edgeunet.errors import DatasetError
from edgeunet.samples import DATASET
from tests.commands import Run
from tests.datasets import write_dataset


def test_pixels_frames_and_sizes_are_counted_exactly(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d", train=2, val=1)
    masks = np.zeros((2, 48, 64), np.uint8)
    masks[0, :12] = 1  # a quarter of the first frame
    masks[1, :24] = 3  # void, half of the second frame
    for k, mask in enumerate(masks):
        cv2.imwrite(str(path / "masks" / "train" / f"00{k}.png"), mask)
    dataset = DatasetFolder.open(path)
    train = survey(dataset)["train"]
    assert train.shares(3).tolist() == pytest.approx([1 - 1 / 6, 1 / 6, 0])
    assert train.occurrences(3).tolist() == [2, 1, 0]
    assert train.ignored() == pytest.approx(0.25)
    assert train.sizes() == {"64x48": 2}


def test_a_split_counts_the_frames_that_are_whole(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d")
    (path / "images" / "train" / "001.png").write_bytes(b"")
    (path / "masks" / "train" / "002.png").unlink()
    train = survey(DatasetFolder.open(path))["train"]
    assert [f.name for f in train.frames] == ["000", "003"]
    assert [p.file for p in train.problems] == ["images/train/002.png", "images/train/001.png"]


def test_the_hash_of_a_picture_does_not_depend_on_its_file(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d")
    image = path / "images" / "train" / "000.png"
    before = image.read_bytes()
    cv2.imwrite(str(image), np.asarray(cv2.imread(str(image))), [cv2.IMWRITE_PNG_COMPRESSION, 0])
    assert image.read_bytes() != before
    loaded = load_split(DatasetFolder.open(path), "train")
    other = load_split(DatasetFolder.open(write_dataset(tmp_path / "e")), "train")
    assert FrameFacts.of(loaded[0], 3).picture == FrameFacts.of(other[0], 3).picture
    assert FrameFacts.of(loaded[0], 3).picture != FrameFacts.of(loaded[1], 3).picture


def test_a_folder_without_splits_is_refused(tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d")
    (path / "images").rename(path / "pictures")
    with pytest.raises(DatasetError, match="no images/<split> folder"):
        survey(DatasetFolder.open(path))


def test_the_bundled_frames_are_a_dataset() -> None:
    dataset = DatasetFolder.open(DATASET)
    value = statistics(DATASET, survey(dataset), dataset.names)["splits"]
    assert (value["train"]["frames"], value["val"]["frames"]) == (9, 2)
    assert value["val"]["sizes"] == {"582x437": 2}
    assert sum(c["share"] for c in value["train"]["classes"].values()) == pytest.approx(1)
    assert 0.15 < value["val"]["classes"]["road"]["share"] < 0.19
    assert value["train"]["classes"]["lane_markings"]["frames"] == 8
    assert json.loads((DATASET / "classes.json").read_text())["classes"][0]["name"] == "road"


def test_stats_prints_the_share_and_the_frames_of_each_class(run: Run) -> None:
    ran = run("data", "stats", DATASET)
    assert ran.code == 0
    assert "train: 9 frames, 9 of 582x437" in ran.out
    rows = [line.split() for line in ran.out.splitlines()]
    assert ["lane_markings", "0.87", "8", "0.48", "2"] in rows
    assert "nothing to fix" in ran.out


def test_stats_prints_all_it_can_of_a_dataset_with_faults(run: Run, tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d")
    (path / "images" / "train" / "001.png").write_bytes(b"")
    ran = run("data", "stats", path)
    assert ran.code == 1
    assert "train: 3 frames" in ran.out
    assert "wrong    images/train/001.png: is empty; fix it, or move the frame out of the dataset" in ran.out
    errors = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert errors == [f"error: {path} has 1 problem(s) to solve before training"]


def test_json_has_what_the_table_has(run: Run, tmp_path: Path) -> None:
    path = write_dataset(tmp_path / "d", val=1)
    ran = run("data", "stats", path, "--json")
    assert ran.code == 0, "warnings are no error"
    value = json.loads(ran.out)
    assert value["splits"]["train"]["classes"]["ground"]["frames"] == 4
    single = {"state": "warning", "part": "val", "found": "has a single frame"}
    assert single.items() <= next(f for f in value["findings"] if f["part"] == "val").items()


def test_a_test_split_without_masks_is_a_note(tmp_path: Path, run: Run) -> None:
    path = write_dataset(tmp_path / "d", train=12, val=3, size=(64, 96))
    shutil.copytree(path / "images" / "val", path / "images" / "test")
    ran = run("data", "stats", path)
    assert ran.code == 0
    assert "ok       test: 3 image(s) without masks, which training does not need" in ran.out
    assert "nothing to fix" in ran.out
    (path / "masks" / "test").mkdir()
    shutil.copy(path / "masks" / "val" / "000.png", path / "masks" / "test")
    ran = run("data", "stats", path)
    assert (ran.code, "images/test/001.png: no mask of that name" in ran.out) == (1, True)


def test_a_contact_sheet_is_no_file_of_the_dataset(tmp_path: Path, run: Run) -> None:
    path = write_dataset(tmp_path / "d")
    for file in (path / "images" / "train" / "000.png", path / "masks" / "val" / "001.png"):
        before = file.read_bytes()
        ran = run("data", "stats", path, "--contact-sheet", file, "--force")
        assert (ran.code, "which is an input" in ran.err) == (2, True)
        assert file.read_bytes() == before
