"""`edgeunet train` as it is typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from edgeunet.network.checkpoint import read_checkpoint
from edgeunet.training import command
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


def test_the_last_network_may_be_trained_on_val_and_all_that_judge_it_there_say_so(run: Run, tmp_path: Path) -> None:
    data, folder = write_dataset(tmp_path / "data"), tmp_path / "run"
    line = ("train", data, "-o", folder, "--model", "nano", "--steps", 4, "--batch", 2, "--size", "32x48")
    ran = run(*line, "--splits", "train,val")
    assert ran.code == 0, ran.err
    assert "on 6 frames" in ran.out
    assert f"no score, because val was trained on: {folder / 'best.pt'} is the network of the last step" in ran.out
    assert "mIoU" not in ran.out + ran.err
    best, last = (read_checkpoint(folder / name)["model"] for name in ("best.pt", "last.pt"))
    assert all(torch.equal(value, last[name]) for name, value in best.items())
    record = json.loads((folder / "run.json").read_text())
    assert (record["data"]["trained_on"], record["data"]["val"], record["best"]) == (["train", "val"], None, None)
    assert record["data"]["train"]["frames"] == 6

    resumed = run(*line, "--resume")
    assert resumed.code == 1
    assert "type --splits train,val to continue it" in resumed.err
    assert run(*line, "--splits", "train,val", "--resume").code == 0

    model = tmp_path / "model.onnx"
    ran = run("export", "onnx", folder / "best.pt", "-o", model, "--data", data, "--size", "64x64")
    assert warnings(ran.err, folder / "best.pt")
    assert run("info", model, "--json").out.count('"trained_on": "train,val"') == 1
    assert warnings(run("evaluate", model, data).err, model)
    ran = run("export", "int8", model, "--data", data, "-o", tmp_path / "int8.onnx", "--max-drop", 100)
    assert warnings(ran.err, model)
    ran = run("export", "verify", model, tmp_path / "int8.onnx", "--data", data)
    assert warnings(ran.err, tmp_path / "int8.onnx")

    child = tmp_path / "child"
    ran = run("train", data, "-o", child, "--weights", folder / "best.pt", "--steps", 1, "--size", "32x48")
    assert ran.code == 0, ran.err
    assert warnings(run("evaluate", child / "best.pt", data).err, child / "best.pt"), "what a parent has seen is seen"


def warnings(text: str, model: Path) -> bool:
    """Whether the output warns that a model was trained on the split that it is judged on."""
    return f"warning: {model} was trained on train,val: on the same frames" in " ".join(text.split())


def test_an_ordinary_model_is_judged_without_a_warning(run: Run, tmp_path: Path) -> None:
    data, folder = write_dataset(tmp_path / "data"), tmp_path / "run"
    assert run("train", data, "-o", folder, "--model", "nano", "--time-budget", "2s", "--size", "32x48").code == 0
    ran = run("evaluate", folder / "best.pt", data)
    assert (ran.code, "was trained on" in ran.err) == (0, False)


def test_a_time_budget_needs_no_scores(run: Run, tmp_path: Path) -> None:
    data, folder = write_dataset(tmp_path / "data"), tmp_path / "run"
    line = ("train", data, "-o", folder, "--model", "nano", "--size", "32x48")
    assert run(*line, "--splits", "train,val", "--time-budget", "2s").code == 0
    assert json.loads((folder / "run.json").read_text())["finished"]


@pytest.mark.parametrize("splits", ["val", "train,train", "", "train,", "train,extra"])
def test_splits_that_are_none_are_refused(run: Run, tmp_path: Path, splits: str) -> None:
    ran = run("train", write_dataset(tmp_path / "data"), "-o", tmp_path / "run", "--splits", splits)
    assert ran.code in (1, 2)
    assert re.match(r"error: (--splits are different ones|.* has no images/)", ran.err)


def test_a_resume_on_other_data_says_what_can_be_done(run: Run, tmp_path: Path) -> None:
    options = ("--model", "nano", "--size", "64x64", "--steps", 2, "--batch", 2)
    folder, other = tmp_path / "run", write_dataset(tmp_path / "other", classes=2)
    assert run("train", write_dataset(tmp_path / "data"), "-o", folder, *options).code == 0
    ran = run("train", other, "-o", folder, *options, "--resume")
    assert (
        ran.code,
        ran.err.strip().endswith(
            "give the data that it was trained on to continue it, or train its network further elsewhere: "
            f"--weights {folder / 'best.pt'}"
        ),
    ) == (1, True), ran.err
    ran = run("train", other, "-o", tmp_path / "new", *options, "--resume")
    assert (ran.code, "new holds no run that can be continued: leave out --resume" in ran.err) == (1, True), ran.err


@pytest.mark.parametrize(("cores", "workers"), [(1, 0), (2, 0), (4, 1), (8, 2), (64, 4)])
def test_crops_are_prepared_by_a_quarter_of_the_cores_that_may_be_used(
    cores: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "usable_cpus", lambda: set(range(cores)))
    assert command._default_workers() == workers
