from __future__ import annotations

import csv
import resource
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from edgeunet.data.folder import DatasetFolder
from edgeunet.errors import ModelFileError, OutputError, TrainingError
from edgeunet.metrics import Scores
from edgeunet.model import UNet, UNetConfig
from edgeunet.spec import ModelSpec
from edgeunet.training.checkpoint import load_model, read_checkpoint, save_checkpoint
from edgeunet.training.loop import Job, train
from edgeunet.training.recipe import Optimizer, Recipe
from tests.datasets import write_dataset

RECIPE = Recipe(epochs=0, min_steps=12, batch=2, evaluations=3, lr=1e-2, ema=0.8)


class Watcher:
    """An observer that remembers, and can press Ctrl-C after a step."""

    def __init__(self, interrupt_at: int = -1) -> None:
        self.losses: list[float] = []
        self.scores: list[Scores] = []
        self._interrupt_at = interrupt_at

    def on_step(self, step: int, steps: int, loss: float, images_per_s: float) -> None:
        self.losses.append(loss)
        assert images_per_s > 0
        if step == self._interrupt_at:
            signal.raise_signal(signal.SIGINT)

    def on_evaluation(self, step: int, scores: Scores, *, best: bool) -> None:
        self.scores.append(scores)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    return DatasetFolder.open(write_dataset(tmp_path_factory.mktemp("data") / "d"))


def job(dataset: DatasetFolder, folder: Path, recipe: Recipe = RECIPE, **changes: Any) -> Job:
    spec = ModelSpec(dataset.classes, (32, 48))
    config = UNetConfig(classes=spec.logits, features=(8, 16), up="nearest")
    return Job(dataset.load("train"), dataset.load("val"), config, spec, recipe, folder, **changes)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(read_checkpoint(path)["model"])


def test_it_learns(dataset: DatasetFolder, tmp_path: Path) -> None:
    watcher = Watcher()
    outcome = train(job(dataset, tmp_path / "run", replace(RECIPE, min_steps=60)), watcher)
    assert watcher.scores[-1].miou > 0.6
    assert outcome.miou == max(s.miou for s in watcher.scores)
    assert sum(watcher.losses[-5:]) < 0.6 * sum(watcher.losses[:5])
    net, spec = load_model(outcome.checkpoint)
    assert spec.names == dataset.names
    assert not net.training


def test_two_classes_learn_with_one_logit(tmp_path: Path) -> None:
    binary = DatasetFolder.open(write_dataset(tmp_path / "d", classes=2))
    watcher = Watcher()
    train(job(binary, tmp_path / "run", replace(RECIPE, min_steps=60)), watcher)
    assert watcher.scores[-1].iou[1] > 0.5


def test_an_interrupted_run_goes_on_to_the_identical_result(dataset: DatasetFolder, tmp_path: Path) -> None:
    straight = Watcher()
    train(job(dataset, tmp_path / "straight"), straight)
    first, second = Watcher(interrupt_at=6), Watcher()
    outcome = train(job(dataset, tmp_path / "run"), first)
    assert outcome.interrupted
    assert outcome.step == 6
    load_model(tmp_path / "run" / "best.pt")
    assert not train(job(dataset, tmp_path / "run", resume=True), second).interrupted
    assert first.losses + second.losses == straight.losses
    for name in ("best.pt", "last.pt"):
        a, b = weights(tmp_path / "straight" / name), weights(tmp_path / "run" / name)
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert (tmp_path / "run" / "log.csv").read_text() == (tmp_path / "straight" / "log.csv").read_text()


def test_ctrl_c_before_the_first_evaluation_leaves_a_checkpoint(dataset: DatasetFolder, tmp_path: Path) -> None:
    train(job(dataset, tmp_path / "run"), Watcher(interrupt_at=1))
    load_model(tmp_path / "run" / "best.pt")


def test_other_settings_are_not_resumed(dataset: DatasetFolder, tmp_path: Path) -> None:
    train(job(dataset, tmp_path / "run"), Watcher(interrupt_at=2))
    with pytest.raises(TrainingError, match=r"batch 2 → 4"):
        train(job(dataset, tmp_path / "run", replace(RECIPE, batch=4), resume=True), Watcher())


def test_nothing_to_resume(dataset: DatasetFolder, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such checkpoint"):
        train(job(dataset, tmp_path / "run", resume=True), Watcher())


def test_a_run_is_not_overwritten_without_force(dataset: DatasetFolder, tmp_path: Path) -> None:
    train(job(dataset, tmp_path / "run"), Watcher(interrupt_at=1))
    with pytest.raises(OutputError, match="--resume"):
        train(job(dataset, tmp_path / "run"), Watcher())
    assert train(job(dataset, tmp_path / "run", force=True), Watcher(interrupt_at=1)).step == 1


def test_a_loss_that_is_not_finite_stops_the_run(dataset: DatasetFolder, tmp_path: Path) -> None:
    recipe = replace(RECIPE, lr=1e30, warmup=0.0, optimizer="sgd", min_steps=50)
    with pytest.raises(TrainingError, match="lower the learning rate"):
        train(job(dataset, tmp_path / "run", recipe), Watcher())


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_every_optimizer_lowers_the_loss(dataset: DatasetFolder, tmp_path: Path, optimizer: Optimizer) -> None:
    watcher = Watcher()
    rate = 0.1 if optimizer == "sgd" else 1e-2
    train(job(dataset, tmp_path / "run", replace(RECIPE, optimizer=optimizer, lr=rate, min_steps=24)), watcher)
    assert sum(watcher.losses[-4:]) < sum(watcher.losses[:4])


def test_the_log_has_a_row_for_each_evaluation(dataset: DatasetFolder, tmp_path: Path) -> None:
    train(job(dataset, tmp_path / "run"), Watcher())
    with (tmp_path / "run" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["step"] for r in rows] == ["4", "8", "12"]
    assert set(rows[0]) == {"step", "loss", "miou", "accuracy", "iou_ground", "iou_disc", "iou_bar"}


def test_a_full_disk_is_named_and_nothing_half_written_stays(dataset: DatasetFolder, tmp_path: Path) -> None:
    task = job(dataset, tmp_path)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match="free some space"):
            save_checkpoint(tmp_path / "x.pt", UNet(task.config), task.spec)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["truncated", "text", "foreign"])
def test_a_damaged_checkpoint_is_named(dataset: DatasetFolder, tmp_path: Path, damage: str) -> None:
    task = job(dataset, tmp_path)
    path = tmp_path / "x.pt"
    save_checkpoint(path, UNet(task.config), task.spec)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1000])
    elif damage == "text":
        path.write_text("weights")
    else:
        torch.save({"state_dict": {}}, path)
    with pytest.raises(ModelFileError, match=r"x\.pt"):
        load_model(path)
