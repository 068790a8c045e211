"""What all tests of training train on, and one whole run of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from edgeunet.data.dataset import DatasetFolder
from edgeunet.training.training_run import train
from tests.datasets import write_dataset
from tests.training.jobs import Watcher, job


class Trained(NamedTuple):
    folder: Path
    watcher: Watcher


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """Four train and two val frames of 48×64, three classes."""
    return DatasetFolder.open(write_dataset(tmp_path_factory.mktemp("data") / "d"))


@pytest.fixture(scope="session")
def straight(dataset: DatasetFolder, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A run that nothing has interrupted."""
    trained = Trained(tmp_path_factory.mktemp("straight"), Watcher())
    train(job(dataset, trained.folder), trained.watcher)
    return trained
