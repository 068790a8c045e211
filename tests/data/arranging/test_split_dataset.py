"""`edgeunet data split`."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from tests.commands import Run
from tests.data.convert.trees import contents
from tests.datasets import write_dataset


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Frames of the drives a, b and c in train; two of a in val."""
    path = write_dataset(tmp_path / "d", train=12, val=2, size=(64, 96))
    for kind in ("images", "masks"):
        for k in range(12):
            (path / kind / "train" / f"{k:03}.png").rename(path / kind / "train" / f"{'abbccc'[k // 2]}_{k:03}.png")
        for k in range(2):
            (path / kind / "val" / f"{k:03}.png").rename(path / kind / "val" / f"a_{50 + k:03}.png")
    return path


def names(path: Path, split: str) -> set[str]:
    return {p.stem for p in (path / "images" / split).iterdir()}


def test_drives_are_in_one_split_and_files_are_copied_as_they_are(data: Path, run: Run) -> None:
    before = contents(data)
    ran = run("data", "split", data, "-o", data.parent / "new", "--val-share", "0.3")
    assert ran.code == 0
    new = data.parent / "new"
    assert {name[0] for name in names(new, "train")}.isdisjoint(name[0] for name in names(new, "val"))
    assert len(names(new, "train") | names(new, "val")) == 14
    assert contents(data) == before
    of = {p.name: p.read_bytes() for p in data.glob("masks/*/*")}
    assert {p.name: p.read_bytes() for p in new.glob("masks/*/*")} == of
    assert (new / "classes.json").read_bytes() == (data / "classes.json").read_bytes()
    assert "drives by their names: a" in ran.out
    assert f"{len(names(new, 'train'))} train, {len(names(new, 'val'))} val frames" in ran.out
    load_split(DatasetFolder.open(new), "val")


def test_a_pattern_names_the_drive(data: Path, run: Run) -> None:
    assert run("data", "split", data, "-o", data.parent / "n", "--drive", "^[ab]", "--val-share", "0.4").code == 0
    val = {name[0] for name in names(data.parent / "n", "val")}
    assert val in ({"a", "b"}, {"c"})
    ran = run("data", "split", data, "-o", data.parent / "m", "--drive", "(")
    assert (ran.code, "--drive '(' is not a regular expression" in ran.err) == (2, True)


def test_other_splits_are_copied_as_they_are(data: Path, run: Run) -> None:
    for kind in ("images", "masks"):
        shutil.copytree(data / kind / "val", data / kind / "test")
    (data / "masks" / "test" / "a_050.png").unlink()
    ran = run("data", "split", data, "-o", data.parent / "new")
    assert ran.code == 0
    assert "test: as before" in ran.out
    new = contents(data.parent / "new")
    assert all(new[name] == file for name, file in contents(data).items() if "/test/" in name)
    assert "masks/test/a_050.png" not in new


def test_frames_without_splits_are_divided(data: Path, run: Run) -> None:
    for kind in ("images", "masks"):
        for file in list((data / kind).glob("*/*")):
            file.rename(data / kind / file.name)
        for folder in [p for p in (data / kind).iterdir() if p.is_dir()]:
            folder.rmdir()
    assert run("data", "split", data, "-o", data.parent / "new").code == 0
    assert len(names(data.parent / "new", "train") | names(data.parent / "new", "val")) == 14


def test_frames_of_one_name_in_both_splits_get_two(tmp_path: Path, run: Run) -> None:
    path = write_dataset(tmp_path / "d", train=4, val=2, size=(64, 96))
    ran = run("data", "split", path, "-o", tmp_path / "n", "--val-share", "0.3")
    assert ran.code == 0
    found = names(tmp_path / "n", "train") | names(tmp_path / "n", "val")
    assert found == {"train_000", "train_001", "val_000", "val_001", "002", "003"}


def test_nothing_is_written_of_a_dataset_with_faults(data: Path, run: Run) -> None:
    (data / "images" / "train" / "b_002.png").write_bytes(b"no image")
    mask = np.zeros((10, 10), np.uint8)
    cv2.imwrite(str(data / "masks" / "train" / "b_003.png"), mask)
    ran = run("data", "split", data, "-o", data.parent / "new")
    assert (ran.code, (data.parent / "new").exists()) == (1, False)
    assert "2 problem(s)" in ran.err
    assert "images/train/b_002.png: is not an image" in ran.err
    (data / "masks" / "train" / "b_003.png").unlink()
    assert "images/train/b_003.png: no mask of that name" in run("data", "split", data, "-o", data.parent / "new").err


def test_the_source_is_never_the_target(data: Path, run: Run) -> None:
    before = contents(data)
    for target in (data, data / "new", data.parent):
        ran = run("data", "split", data, "-o", target, "--force")
        assert (ran.code, "choose another folder" in ran.err) == (2, True)
    assert contents(data) == before
    for share in ("0", "1", "nan"):
        ran = run("data", "split", data, "-o", data.parent / "n", "--val-share", share)
        assert (ran.code, "--val-share" in ran.err) == (2, True)
