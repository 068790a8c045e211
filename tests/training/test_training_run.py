from __future__ import annotations

import csv
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from edgeunet.data.cropping.augment import Augmentation
from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import ModelFileError, OutputError, TrainingError
from edgeunet.network.checkpoint import load_model, read_checkpoint, save_checkpoint
from edgeunet.network.unet import UNet, UNetConfig
from edgeunet.training.batches import make_crops
from edgeunet.training.recipe import Optimizer
from edgeunet.training.trainer import Trainer
from edgeunet.training.training_run import train
from tests.datasets import write_dataset
from tests.training.conftest import Trained
from tests.training.jobs import RECIPE, Watcher, job


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


def test_an_interrupted_run_goes_on_to_the_identical_result(
    dataset: DatasetFolder, straight: Trained, tmp_path: Path
) -> None:
    first, second = Watcher(interrupt_at=6), Watcher()
    outcome = train(job(dataset, tmp_path / "run"), first)
    assert outcome.interrupted
    assert outcome.step == 6
    load_model(tmp_path / "run" / "best.pt")
    assert not train(job(dataset, tmp_path / "run", resume=True), second).interrupted
    assert first.losses + second.losses == straight.watcher.losses
    for name in ("best.pt", "last.pt"):
        a, b = weights(straight.folder / name), weights(tmp_path / "run" / name)
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert (tmp_path / "run" / "log.csv").read_text() == (straight.folder / "log.csv").read_text()


def test_ctrl_c_before_the_first_evaluation_leaves_a_checkpoint(dataset: DatasetFolder, tmp_path: Path) -> None:
    train(job(dataset, tmp_path / "run"), Watcher(interrupt_at=1))
    load_model(tmp_path / "run" / "best.pt")


def test_every_other_setting_is_named_when_a_run_is_resumed(dataset: DatasetFolder, tmp_path: Path) -> None:
    first = job(dataset, tmp_path / "run")
    train(first, Watcher(interrupt_at=2))
    recipe = replace(RECIPE, batch=4, augmentation=replace(RECIPE.augmentation, flip=0.25))
    two = DatasetFolder.open(write_dataset(tmp_path / "two", classes=2))
    other = job(two, tmp_path / "run", recipe, (8, 24), resume=True, time_budget_s=60.0)
    with pytest.raises(TrainingError) as caught:
        train(other, Watcher())
    assert first.val is not None
    assert other.val is not None
    assert str(caught.value) == (
        f"{tmp_path / 'run'} was trained with other settings (--batch 2, now 4; augmentation.flip 0.5, now 0.25; "
        "classes ground, disc, bar, now ground, disc; features (8, 16), now (8, 24); "
        f"val data {first.val.sha256[:12]}, now {other.val.sha256[:12]}; --time-budget none, now 60s): "
        "give the data that it was trained on and type --batch 2 to continue it, or start a new run elsewhere"
    )


def test_a_run_of_another_version_says_which_settings_are_new(dataset: DatasetFolder, tmp_path: Path) -> None:
    then = job(dataset, tmp_path).settings() | {"pruning": "1"}
    del then["ema"]
    with pytest.raises(TrainingError, match=r"ema \(not there\), now 0\.8; pruning 1, now \(not there\)"):
        job(dataset, tmp_path).require_settings(then)


def test_nothing_to_resume(dataset: DatasetFolder, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such checkpoint"):
        train(job(dataset, tmp_path / "run", resume=True), Watcher())


def test_a_run_is_not_overwritten_without_force(dataset: DatasetFolder, tmp_path: Path) -> None:
    train(job(dataset, tmp_path / "run"), Watcher(interrupt_at=1))
    with pytest.raises(OutputError, match="--resume"):
        train(job(dataset, tmp_path / "run"), Watcher())
    assert train(job(dataset, tmp_path / "run", force=True), Watcher(interrupt_at=1)).step == 1


def test_one_frame_of_each_split_is_enough(tmp_path: Path) -> None:
    single = DatasetFolder.open(write_dataset(tmp_path / "d", train=1, val=1))
    watcher = Watcher()
    train(job(single, tmp_path / "run", replace(RECIPE, min_steps=40)), watcher)
    assert sum(watcher.losses[-5:]) < 0.7 * sum(watcher.losses[:5])


def test_the_same_seed_gives_the_same_network_and_another_one_does_not(dataset: DatasetFolder, tmp_path: Path) -> None:
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        train(job(dataset, tmp_path / name, replace(RECIPE, seed=seed)), Watcher())
    a, b, c = (weights(tmp_path / name / "last.pt") for name in "abc")
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not torch.equal(a["inc.0.weight"], c["inc.0.weight"])


def test_sigterm_ends_a_run_as_ctrl_c_does(dataset: DatasetFolder, tmp_path: Path) -> None:
    outcome = train(job(dataset, tmp_path / "run"), Watcher(interrupt_at=2, number=signal.SIGTERM))
    assert (outcome.interrupted, outcome.step) == (True, 2)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_every_optimizer_lowers_the_loss(dataset: DatasetFolder, tmp_path: Path, optimizer: Optimizer) -> None:
    watcher = Watcher()
    rate = 0.1 if optimizer == "sgd" else 1e-2
    train(job(dataset, tmp_path / "run", replace(RECIPE, optimizer=optimizer, lr=rate, min_steps=24)), watcher)
    assert sum(watcher.losses[-4:]) < sum(watcher.losses[:4])


def test_the_log_has_a_row_for_each_evaluation(straight: Trained) -> None:
    with (straight.folder / "log.csv").open() as file:
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


def test_a_checkpoint_keeps_every_field_of_its_network(dataset: DatasetFolder, tmp_path: Path) -> None:
    config = UNetConfig(3, (8, 16), 3, "nearest", 24, stride=2, residual=((), (1,), (1, 2)))
    save_checkpoint(tmp_path / "x.pt", UNet(config), job(dataset, tmp_path).spec)
    assert load_model(tmp_path / "x.pt")[0].config == config


def test_a_checkpoint_from_before_the_compact_networks_loads(dataset: DatasetFolder, tmp_path: Path) -> None:
    task = job(dataset, tmp_path)
    save_checkpoint(tmp_path / "x.pt", UNet(task.config), task.spec)
    value = torch.load(tmp_path / "x.pt", weights_only=True)
    for name in ("bottleneck", "stride", "residual"):
        del value["config"][name]
    torch.save(value, tmp_path / "old.pt")
    assert load_model(tmp_path / "old.pt")[0].config == task.config


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


def test_a_run_is_coarse_at_first_but_for_a_step_that_shows_whether_there_is_memory(
    dataset: DatasetFolder, tmp_path: Path
) -> None:
    trainer = Trainer(job(dataset, tmp_path / "run", replace(RECIPE, min_steps=4, coarse=0.5), size=(64, 96)))
    sizes = []
    for frames, masks in trainer.batches():
        assert masks.shape == frames.shape[:3]
        sizes.append(tuple(frames.shape[1:3]))
        trainer.train_step(frames, masks)
        if trainer.progress.ended:
            break
    assert sizes == [(64, 96), (32, 48), (64, 96), (64, 96)]


def test_a_coarse_crop_shows_as_much_of_the_frame(dataset: DatasetFolder, tmp_path: Path) -> None:
    how = Augmentation(flip=0, scale=(1, 1), aspect=1, rotation_deg=0, color=0)
    task = job(dataset, tmp_path, replace(RECIPE, augmentation=how), size=(64, 96))
    frames = [make_crops(task, scale)[0][0].numpy() for scale in (1.0, 0.5)]
    halved = cv2.resize(frames[0], (48, 32), interpolation=cv2.INTER_AREA)
    assert np.abs(halved.astype(int) - frames[1]).mean() < 3


@pytest.mark.parametrize("stop_at", [1, 3])
def test_a_run_that_was_stopped_in_either_half_goes_on_to_the_same_weights(
    dataset: DatasetFolder, tmp_path: Path, stop_at: int
) -> None:
    recipe = replace(RECIPE, min_steps=4, coarse=0.5, evaluations=1)
    train(job(dataset, tmp_path / "straight", recipe), Watcher())
    train(job(dataset, tmp_path / "stopped", recipe), Watcher(interrupt_at=stop_at))
    train(job(dataset, tmp_path / "stopped", recipe, resume=True), Watcher())
    straight, stopped = (weights(tmp_path / name / "last.pt") for name in ("straight", "stopped"))
    assert all(torch.equal(straight[name], stopped[name]) for name in straight)


WORKERS = """
import sys
from dataclasses import replace
from pathlib import Path
import cv2, numpy as np
from edgeunet.data.dataset import DatasetFolder
from edgeunet.training.training_run import train
from tests.training.jobs import RECIPE, Watcher, job

cv2.setNumThreads(4)
cv2.warpAffine(np.zeros((2000, 2000, 3), np.uint8), np.eye(2, 3), (2000, 2000))  # OpenCV starts its threads
recipe = replace(RECIPE, min_steps=4, coarse=0.5, evaluations=2)
train(job(DatasetFolder.open(sys.argv[1]), Path(sys.argv[2]), recipe, workers=1), Watcher())
"""


@pytest.mark.slow
def test_workers_start_beside_threads_of_opencv(dataset: DatasetFolder, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKERS, str(dataset.path), str(tmp_path / "run")]
    subprocess.run(command, check=True, timeout=60)
    assert (tmp_path / "run" / "best.pt").exists()
