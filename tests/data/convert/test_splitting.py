"""Dividing frames into train and val."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.data.convert.splitting import by_lists
from edgeunet.data.pairs import ImageMaskPair
from edgeunet.errors import DatasetError
from tests.commands import Run
from tests.data.convert.trees import write_colors


def frames(count: int) -> dict[str, ImageMaskPair]:
    return {f"{k:04}": ImageMaskPair(Path(f"{k}.png"), Path(f"{k}.png")) for k in reversed(range(count))}


def test_frames_without_a_split_are_divided_by_drive(tmp_path: Path, run: Run) -> None:
    path = write_colors(tmp_path / "d", frames=12)
    for kind in ("images", "masks"):
        for k in range(12):
            (path / kind / f"{k:03}.png").rename(path / kind / f"{'abcc'[k // 3]}_{k:03}.png")
    ran = run("data", "convert", path, "-o", tmp_path / "new", "--val-share", "0.25")
    assert ran.code == 0
    assert "3 drives by their names: a (3), b (3), c (6)" in ran.out
    assert {p.name[0] for p in (tmp_path / "new" / "images" / "val").iterdir()} in ({"a"}, {"b"})


def test_frames_that_look_alike_stay_together(tmp_path: Path, run: Run) -> None:
    path = write_colors(tmp_path / "d", frames=6)
    for kind in ("images", "masks"):
        for name, k in (("x", 0), ("y", 3), ("z", 0)):
            (path / kind / f"{name}.png").write_bytes((path / kind / f"{k:03}.png").read_bytes())
    for kind in ("images", "masks"):
        for file in (path / kind).glob("0*.png"):
            file.unlink()
    ran = run("data", "convert", path, "-o", tmp_path / "new", "--val-share", "0.4")
    assert "2 frames that look alike are kept together" in ran.out
    assert [p.name for p in (tmp_path / "new" / "images" / "val").iterdir()] == ["y.png"]


def test_thermal_frames_that_look_alike_stay_together(tmp_path: Path, run: Run) -> None:
    path = write_colors(tmp_path / "d", frames=4)
    for k, name in enumerate("vwxy"):
        picture = np.random.default_rng(k % 3).integers(7000, 7200, (48, 64), np.uint16)
        cv2.imwrite(str(path / "images" / f"{name}.png"), picture)
        (path / "images" / f"{k:03}.png").unlink()
        (path / "masks" / f"{k:03}.png").rename(path / "masks" / f"{name}.png")
    ran = run("data", "convert", path, "-o", tmp_path / "new", "--val-share", "0.25")
    assert ran.code == 0
    assert "2 frames that look alike are kept together" in ran.out
    assert {p.name for p in (tmp_path / "new" / "images" / "train").iterdir()} >= {"v.png", "y.png"}


def test_lists_name_frames_in_the_usual_ways(tmp_path: Path) -> None:
    pairs = {name: ImageMaskPair(Path(name), Path(name)) for name in ("a", "b", "two words", "v1.5")}
    (tmp_path / "train.txt").write_text("a\n\n/data/two words.png\n")
    (tmp_path / "val.txt").write_text("images/b.jpg masks/b.png\nv1.5\n")
    splits = by_lists(pairs, {"train": tmp_path / "train.txt", "val": tmp_path / "val.txt"})
    assert {split: list(found) for split, found in splits.items()} == {
        "train": ["a", "two words"],
        "val": ["b", "v1.5"],
    }


def test_lists_that_cannot_be_meant_are_refused(tmp_path: Path) -> None:
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("0001\n0002\n")
    other.write_text("0002\n")
    with pytest.raises(DatasetError, match="0002 is listed for train and for val"):
        by_lists(frames(4), {"train": one, "val": other})
    other.write_text("9999\n")
    with pytest.raises(DatasetError, match=r"other.txt names '9999', which the source does not have"):
        by_lists(frames(4), {"train": one, "val": other})
    other.write_text("\n")
    with pytest.raises(DatasetError, match=r"other.txt names no frame"):
        by_lists(frames(4), {"train": one, "val": other})
