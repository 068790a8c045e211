"""Trained layers: the encoder stays for a share of the run, and all of them learn more slowly than new ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import UsageError
from edgeunet.network.checkpoint import read_checkpoint
from edgeunet.network.unet import UNet, UNetConfig
from edgeunet.training.optimizer import make_optimizer
from edgeunet.training.start.frozen_encoder import ENCODER
from edgeunet.training.trainer import Trainer
from edgeunet.training.training_job import TrainingJob
from edgeunet.training.training_run import train
from tests.training.jobs import RECIPE, Watcher, job

HALF = replace(RECIPE, freeze_encoder=0.5, kept_lr=0.25)


def kept(net: UNet) -> frozenset[str]:
    return frozenset(name for name, _ in net.named_parameters() if not name.startswith("out."))


def continued(dataset: DatasetFolder, folder: Path, *, resume: bool = False) -> TrainingJob:
    torch.manual_seed(3)
    net = UNet(UNetConfig(3, (8, 16), up="nearest"))
    return job(dataset, folder, HALF, start=net, kept=kept(net), resume=resume)


def trained(folder: Path) -> dict[str, Tensor]:
    return dict(read_checkpoint(folder / "last.pt")["run"]["net"])


def test_the_encoder_and_its_statistics_stay_for_their_share_of_the_run(dataset: DatasetFolder, tmp_path: Path) -> None:
    task = continued(dataset, tmp_path / "run")
    assert task.start is not None
    before = {name: value.clone() for name, value in task.start.state_dict().items()}
    train(task, Watcher(interrupt_at=6))  # of 12 steps
    after = trained(tmp_path / "run")
    encoder = {name for name in before if name.startswith(ENCODER)}
    assert any("running_mean" in name for name in encoder)
    assert all(torch.equal(before[name], after[name]) for name in encoder)
    assert not any(torch.equal(before[name], after[name]) for name in before.keys() - encoder)
    train(continued(dataset, tmp_path / "run", resume=True), Watcher(interrupt_at=2))
    learnt = trained(tmp_path / "run")
    assert not any(torch.equal(before[name], learnt[name]) for name in encoder)


def test_an_interrupted_run_goes_on_to_the_identical_result(dataset: DatasetFolder, tmp_path: Path) -> None:
    train(continued(dataset, tmp_path / "whole"), Watcher())
    for count in (1, 4, 3, -1):  # in the first step, while the encoder is frozen, after that
        resume = (tmp_path / "parts").exists()
        train(continued(dataset, tmp_path / "parts", resume=resume), Watcher(interrupt_at=count))
    whole, parts = trained(tmp_path / "whole"), trained(tmp_path / "parts")
    assert all(torch.equal(value, parts[name]) for name, value in whole.items())


def test_the_first_step_needs_all_the_memory_that_later_ones_need(dataset: DatasetFolder, tmp_path: Path) -> None:
    trainer = Trainer(continued(dataset, tmp_path / "run"))
    parameters = trainer._state.net.inc.parameters()
    assert all(p.requires_grad for p in parameters)
    frames, masks = next(trainer.batches())
    trainer.train_step(frames, masks)
    trainer.train_step(frames, masks)
    assert not any(p.requires_grad for p in trainer._state.net.inc.parameters())


def test_trained_layers_have_their_share_of_the_learning_rate() -> None:
    net = UNet(UNetConfig(3, (8, 16)))
    groups = make_optimizer(net, HALF, kept(net)).param_groups
    assert [group.get("share") for group in groups] == [None, None, 0.25, 0.25]
    assert {id(p) for group in groups[:2] for p in group["params"]} == {id(p) for p in net.out.parameters()}
    assert sum(len(group["params"]) for group in groups) == len(list(net.parameters()))


@pytest.mark.parametrize(("freeze", "rate"), [(1.5, 1.0), (-0.1, 1.0), (0.0, 0.0), (float("nan"), 1.0)])
def test_shares_are_from_0_to_1(freeze: float, rate: float) -> None:
    with pytest.raises(UsageError, match="0 "):
        replace(RECIPE, freeze_encoder=freeze, kept_lr=rate)
