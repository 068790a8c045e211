"""Training on this machine's GPU, in each precision."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeunet.data.dataset import DatasetFolder
from edgeunet.training.hardware import Trained
from edgeunet.training.training_run import train
from tests.datasets import write_dataset
from tests.training.jobs import Watcher, job


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_every_precision_learns_and_goes_on_after_an_interruption(tmp_path: Path, precision: Trained) -> None:
    data = DatasetFolder.open(write_dataset(tmp_path / "d"))
    first, second = Watcher(interrupt_at=6), Watcher()
    assert train(job(data, tmp_path / "run", precision=precision), first).interrupted
    assert not train(job(data, tmp_path / "run", precision=precision, resume=True), second).interrupted
    losses = [*first.losses, *second.losses]
    assert len(losses) == 12
    assert sum(losses[-4:]) < sum(losses[:4])
