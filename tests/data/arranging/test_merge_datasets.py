"""`edgeunet data merge`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeunet.data.dataset import DatasetFolder
from edgeunet.imaging.letterbox import UInt8
from tests.commands import Run
from tests.data.convert.trees import contents, pictures_in
from tests.datasets import draw, write_dataset

COLORS = {"ground": [90, 90, 90], "disc": [255, 0, 0], "bar": [0, 0, 255]}


def write_list(path: Path, *names: str, ignored: str = "void") -> None:
    """The classes of a dataset in another order, or by other names; the ignored one after them."""
    entries: list[dict[str, Any]] = [
        {"index": i, "name": name, "color": COLORS.get(name, [9, 9, 9])} for i, name in enumerate(names)
    ]
    entries.append({"index": len(names), "name": ignored, "ignore": True})
    (path / "classes.json").write_text(json.dumps({"classes": entries}))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two datasets with the same three classes and void; those of the second have other numbers."""
    one = write_dataset(tmp_path / "one", train=3, val=2)
    other = write_dataset(tmp_path / "two", train=2, val=1)
    for file in other.glob("masks/*/*.png"):
        mask = np.asarray(cv2.imread(str(file), cv2.IMREAD_UNCHANGED), np.uint8)
        mask[0] = 3
        cv2.imwrite(str(file), np.array([2, 0, 1, 3], np.uint8)[mask])
    write_list(other, "disc", "bar", "ground")
    return one, other


def mask_of(path: Path, split: str, stem: str) -> UInt8:
    return pictures_in(path / "masks" / split)[f"{stem}.png"]


def test_classes_are_matched_by_name_and_splits_kept(pair: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    before = [contents(path) for path in pair]
    ran = run("data", "merge", *pair, "-o", tmp_path / "all")
    assert ran.code == 0
    assert f"{pair[0]} + {pair[1]}: 5 train, 3 val frames → {tmp_path}/all" in ran.out
    assert [contents(path) for path in pair] == before
    made = DatasetFolder.open(tmp_path / "all")
    assert made.names == ("ground", "disc", "bar")
    assert made.ignored == (255,)
    wanted = draw(1)[1]
    assert np.array_equal(mask_of(tmp_path / "all", "train", "one_001"), wanted)
    wanted[0] = 255
    assert np.array_equal(mask_of(tmp_path / "all", "train", "two_001"), wanted)
    assert run("data", "stats", tmp_path / "all").code == 0


def test_names_that_collide_get_their_folders_before_them(pair: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    ran = run("data", "merge", *pair, "-o", tmp_path / "all")
    images = {p.stem for p in (tmp_path / "all" / "images" / "train").iterdir()}
    assert images == {"one_000", "one_001", "002", "two_000", "two_001"}
    assert "6 frame(s) had the name of another, and now begin with the name of their dataset" in ran.out
    assert (tmp_path / "all/images/train/two_000.png").read_bytes() == (pair[1] / "images/train/000.png").read_bytes()


def test_folders_of_one_name_are_told_apart_by_those_above(pair: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    paths = []
    for folder, path in zip(("x", "y"), pair, strict=True):
        shutil.copytree(path, tmp_path / folder / "data")
        paths.append(tmp_path / folder / "data")
    assert run("data", "merge", *paths, "-o", tmp_path / "all").code == 0
    assert (tmp_path / "all" / "images" / "val" / "y_data_000.png").is_file()


def test_a_class_of_one_dataset_is_named(pair: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    write_list(pair[1], "disc", "Bar", "ground")
    ran = run("data", "merge", *pair, "-o", tmp_path / "all")
    assert ran.code == 0
    assert "only in one: bar; where frames of two show it, it is labelled as something else" in ran.out
    assert "bar and Bar stay separate classes: if they mean the same, give them one name in classes.json" in ran.out
    listed = json.loads((tmp_path / "all" / "classes.json").read_text())["classes"]
    assert [c["name"] for c in listed] == ["ground", "disc", "bar", "Bar", "void"]
    assert len({str(c["color"]) for c in listed}) == 5


def test_a_name_that_is_ignored_in_one_is_told_and_stays_so(pair: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    write_list(pair[1], "disc", "pole", "ground", ignored="bar")
    ran = run("data", "merge", *pair, "-o", tmp_path / "all")
    assert "bar is ignored in two and a class of one: both stay so" in ran.out
    assert (mask_of(tmp_path / "all", "train", "two_001")[0] == 255).all()
    assert (mask_of(tmp_path / "all", "train", "one_001") == 2).any()


def test_images_of_a_split_without_masks_are_kept(pair: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    shutil.copytree(pair[1] / "images" / "val", pair[1] / "images" / "test")
    ran = run("data", "merge", *pair, "-o", tmp_path / "all")
    assert "5 train, 3 val, 1 test frames" in ran.out
    assert (tmp_path / "all" / "images" / "test" / "000.png").is_file()


def test_nothing_is_written_of_datasets_with_faults(pair: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    (pair[1] / "images" / "train" / "000.png").write_bytes(b"no")
    ran = run("data", "merge", *pair, "-o", tmp_path / "all")
    assert (ran.code, (tmp_path / "all").exists()) == (1, False)
    assert f"{pair[1]} has 1 problem(s)" in ran.err
    (pair[1] / "masks" / "train" / "000.png").unlink()
    ran = run("data", "merge", *pair, "-o", tmp_path / "all")
    assert (ran.code, "no mask of that name" in ran.err) == (1, True)


def test_what_cannot_be_merged_is_refused(pair: tuple[Path, Path], tmp_path: Path, run: Run) -> None:
    one, other = pair
    for given, target, says in (
        ((one,), tmp_path / "all", "at least two dataset folders"),
        ((one, other, one), tmp_path / "all", "is given twice"),
        (pair, one, "choose another folder"),
        (pair, other / "x", "choose another folder"),
    ):
        ran = run("data", "merge", *given, "-o", target, "--force")
        assert (ran.code, says in ran.err) == (2, True), says
    ran = run("data", "merge", one, tmp_path / "absent", "-o", tmp_path / "all")
    assert (ran.code, "no such dataset folder" in ran.err) == (1, True)
    many = [{"index": i, "name": f"c{i}", "color": [i, 0, 0]} for i in range(200)]
    for path, letter in ((one, "a"), (other, "b")):
        renamed = [{**entry, "name": f"{letter}{entry['name']}"} for entry in many]
        (path / "classes.json").write_text(json.dumps({"classes": renamed}))
    ran = run("data", "merge", *pair, "-o", tmp_path / "all")
    assert (ran.code, "2 to 254 classes are needed, got 400" in ran.err) == (1, True)
