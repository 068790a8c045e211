"""`edgeunet train` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.commands import Run
from tests.datasets import write_dataset


def test_a_class_that_train_lacks_is_named_and_the_rest_is_learnt(run: Run, tmp_path: Path) -> None:
    data = write_dataset(tmp_path / "data")
    for path in (data / "masks" / "train").iterdir():
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert mask is not None
        cv2.imwrite(str(path), np.where(mask == 2, 0, mask))
    ran = run("train", data, "-o", tmp_path / "run", "--model", "nano", "--steps", 2, "--batch", 2, "--size", "32x48")
    assert ran.code == 0
    (warning,) = [line for line in ran.err.splitlines() if line.startswith("warning: bar")]
    assert "the network cannot learn it" in warning
    assert (tmp_path / "run" / "best.pt").exists()


def test_an_unknown_fit_is_refused_before_the_data_are_read(run: Run, tmp_path: Path) -> None:
    ran = run("train", tmp_path / "absent", "-o", tmp_path / "run", "--fit", "crop")
    assert (ran.code, ran.err) == (2, "error: fit is 'letterbox' or 'stretch', got 'crop'\n")


def test_tiles_are_part_of_a_run_and_of_what_comes_from_it(run: Run, tmp_path: Path) -> None:
    """Frames of 96×128 in 2×2 tiles: of 51 rows and 68 columns at full resolution, so 64×96."""
    data, folder = write_dataset(tmp_path / "data", size=(96, 128)), tmp_path / "run"
    line = ("train", data, "-o", folder, "--model", "nano", "--steps", 2, "--batch", 2)
    ran = run(*line, "--tiles", "2x2")
    assert ran.code == 0
    assert "input 2×2 tiles of 64×96" in ran.out
    assert json.loads((folder / "run.json").read_text())["tiles"] == [2, 2]
    assert json.loads(run("info", folder / "best.pt", "--json").out)["tiles"] == [2, 2]
    resumed = run(*line, "--size", "64x96", "--resume")
    assert resumed.code == 1
    assert "type --tiles 2x2 to continue it" in resumed.err

    whole = tmp_path / "whole.onnx"
    ran = run("export", "onnx", folder / "best.pt", "-o", whole, "--tiles", "1x1", "--size", "96x128", "--data", data)
    assert ran.code == 0
    assert "trained at 2×2 tiles of 64×96: mIoU on val " in ran.out
    scores = [run("evaluate", *what, data, "--json") for what in ((whole,), (folder / "best.pt", "--size", "96x128"))]
    assert json.loads(scores[0].out)["tiles"] == [1, 1]
    assert json.loads(scores[1].out)["tiles"] == [2, 2]
    assert "was trained at 2×2 tiles of 64×96, and runs at 2×2 tiles of 96×128" in " ".join(scores[1].err.split())
    ran = run("evaluate", whole, data, "--size", "64x64")
    assert ran.code == 2
    assert "has its input size built in" in ran.err


@pytest.mark.parametrize("tiles", ["0x2", "2", "65x1", "2x2x2"])
def test_tiles_that_are_none_are_refused(run: Run, tmp_path: Path, tiles: str) -> None:
    ran = run("train", tmp_path, "-o", tmp_path / "run", "--tiles", tiles)
    assert ran.code == 2
    assert ran.err.startswith("error: tiles (--tiles) are ")
