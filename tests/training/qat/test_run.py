"""`edgeunet train --qat`: from a checkpoint to one whose INT8 file is what was trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import MismatchError, TrainingError, UsageError
from edgeunet.network.checkpoint import load_model, read_checkpoint, save_checkpoint
from edgeunet.network.unet import UNet, UNetConfig
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import CPU, TENSORRT, QuantisationTarget
from edgeunet.spec import ModelSpec
from edgeunet.training import command
from edgeunet.training.qat.learnt_ranges import RANGES, fake_quantised
from edgeunet.training.recipe import Recipe
from edgeunet.training.training_job import TrainingJob
from edgeunet.training.training_options import TrainingOptions
from edgeunet.training.training_run import train
from edgeunet.utils.files import sha256
from tests.datasets import write_dataset
from tests.training.jobs import Watcher

CONFIG = UNetConfig(3, (8, 16), up="nearest", bottleneck=16, stride=2, residual=((), (), (1,)))
RECIPE = Recipe(epochs=0, min_steps=6, batch=2, evaluations=2, lr=1e-2, ema=0.5)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    return DatasetFolder.open(write_dataset(tmp_path_factory.mktemp("data") / "d", size=(32, 48)))


@pytest.fixture(scope="module")
def checkpoint(dataset: DatasetFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "best.pt"
    torch.manual_seed(0)
    save_checkpoint(path, UNet(CONFIG), ModelSpec(dataset.classes, (32, 48), ignore_index=dataset.ignore_index))
    return path


@pytest.fixture(scope="module")
def job(dataset: DatasetFolder, checkpoint: Path) -> Callable[..., TrainingJob]:
    def made(folder: Path, target: QuantisationTarget = TENSORRT, *, resume: bool = False) -> TrainingJob:
        (net, spec), samples = load_model(checkpoint), load_split(dataset, "train")
        start = fake_quantised(net, spec, samples, target)
        return TrainingJob(samples, load_split(dataset, "val"), net.config, spec, RECIPE, folder, start, resume)

    return made


def test_the_command_leaves_an_ordinary_checkpoint_and_its_ranges(
    dataset: DatasetFolder, checkpoint: Path, tmp_path: Path
) -> None:
    options = TrainingOptions(qat=checkpoint, changes={"epochs": 0, "min_steps": 4, "evaluations": 1})
    assert options.make_recipe().lr < 1e-3, "the recipe of a fine-tuning"
    command.train(dataset.path, tmp_path / "run", options)
    net, spec = load_model(tmp_path / "run" / "best.pt")
    assert (net.config, spec.input_size) == (CONFIG, (32, 48))
    assert spec.provenance.parent_sha256 == sha256(checkpoint)
    ranges = Ranges.load(tmp_path / "run" / RANGES)
    ranges.require_model("", sha256(tmp_path / "run" / "best.pt"), Path("model.onnx"))
    before = load_model(checkpoint)[0].state_dict()
    assert any(not torch.equal(value, before[name]) for name, value in net.state_dict().items())
    load_model(tmp_path / "run" / "last.pt")


def test_ranges_are_learnt(job: Callable[..., TrainingJob], tmp_path: Path) -> None:
    task = job(tmp_path / "run")
    train(task, Watcher())
    ranges = Ranges.load(tmp_path / "run" / RANGES)
    assert task.start is not None
    start = task.start.value_ranges()  # type: ignore[operator]
    assert sum(ranges.value_ranges[tensor] != span for tensor, span in start.items()) > len(start) / 2


@pytest.mark.slow
def test_an_interrupted_run_goes_on_to_the_identical_result(job: Callable[..., TrainingJob], tmp_path: Path) -> None:
    train(job(tmp_path / "whole"), Watcher())
    assert train(job(tmp_path / "halves"), Watcher(interrupt_at=2)).interrupted
    train(job(tmp_path / "halves", resume=True), Watcher())
    assert (
        Ranges.load(tmp_path / "whole" / RANGES).value_ranges == Ranges.load(tmp_path / "halves" / RANGES).value_ranges
    )
    whole, halves = (read_checkpoint(tmp_path / name / "last.pt")["model"] for name in ("whole", "halves"))
    assert all(torch.equal(value, halves[name]) for name, value in whole.items())


def test_a_run_for_another_target_is_not_resumed(job: Callable[..., TrainingJob], tmp_path: Path) -> None:
    train(job(tmp_path / "run"), Watcher(interrupt_at=2))
    with pytest.raises(TrainingError, match="--target tensorrt, now cpu"):
        train(job(tmp_path / "run", CPU, resume=True), Watcher())


def test_what_does_not_go_together_is_refused(dataset: DatasetFolder, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="leave out --size"):
        TrainingOptions(qat=checkpoint, size=(32, 48))
    with pytest.raises(UsageError, match="unknown target"):
        TrainingOptions(qat=checkpoint, target="tflite")
    other = write_dataset(tmp_path / "other", classes=2)
    with pytest.raises(MismatchError, match="has the classes ground, disc, bar"):
        command.train(other, tmp_path / "run", TrainingOptions(qat=checkpoint))
