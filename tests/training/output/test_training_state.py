"""A last.pt that was changed: the run goes on, or one line says why it cannot."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import ModelFileError
from edgeunet.network.checkpoint import read_checkpoint
from edgeunet.network.unet import UNet, UNetConfig
from edgeunet.spec import IGNORE
from edgeunet.training.optimizer import make_optimizer
from edgeunet.training.output.training_state import SavedState, load_network, load_optimizer
from edgeunet.training.trainer import Trainer
from edgeunet.training.training_job import TrainingJob
from edgeunet.training.training_run import train
from tests.datasets import write_dataset
from tests.training.jobs import RECIPE, Watcher, job


@pytest.fixture(scope="module")
def interrupted(dataset: DatasetFolder, tmp_path_factory: pytest.TempPathFactory) -> TrainingJob:
    """A job that was stopped after five steps, to be resumed."""
    folder = tmp_path_factory.mktemp("run")
    train(job(dataset, folder), Watcher(interrupt_at=5))
    return job(dataset, folder, resume=True)


def resumed(task: TrainingJob, value: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Trainer:
    """The run as it goes on from that content of last.pt, a step further."""
    monkeypatch.setattr("edgeunet.training.output.training_state.read_checkpoint", lambda _: value)
    trainer = Trainer(task)
    for frames, masks in trainer.batches():
        trainer.train_step(frames, masks)
        break
    return trainer


CHANGES: list[tuple[str, Any, str]] = [
    ("run", {}, "the field 'settings' is missing"),
    ("run", torch.zeros(3), "it holds no run"),
    ("step", "5", "step: expected a whole number, got text"),
    ("step", -1, "step: "),
    ("rows", [{"step": 4.0}], "its log has other columns"),
    ("optimizer", {"state": {}, "param_groups": []}, "its optimiser is of another network"),
    ("net", {}, "got none"),
    ("losses", [None], "losses"),
]


@pytest.mark.parametrize(("name", "new", "says"), CHANGES)
def test_what_a_run_cannot_go_on_from_is_named(
    name: str, new: Any, says: str, interrupted: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = read_checkpoint(interrupted.folder / "last.pt")
    (value if name == "run" else value["run"])[name] = new
    with pytest.raises(ModelFileError, match=says) as caught:
        resumed(interrupted, value, monkeypatch)
    assert str(caught.value).startswith(str(interrupted.folder / "last.pt"))


def test_a_run_from_before_there_was_a_score_goes_on(interrupted: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    value = read_checkpoint(interrupted.folder / "last.pt")
    value["run"]["best"] = -1.0  # as earlier versions wrote it
    assert resumed(interrupted, value, monkeypatch).progress.best is None


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_change_ends_in_a_state_or_in_one_line(data: st.DataObject) -> None:
    net = UNet(UNetConfig(3, (2,), 3, "nearest"))
    optimizer = make_optimizer(net, RECIPE)
    net(torch.zeros(1, 3, 4, 4)).sum().backward()
    optimizer.step()
    value: Any = {
        "settings": {"batch": "2"},
        "net": dict(net.state_dict()),
        "optimizer": optimizer.state_dict(),
        "scaler": {},
        "step": 1,
        "seconds": 0.5,
        "best": 0.25,
        "losses": [1.0],
        "rows": [{"step": 1.0, "miou": 0.25}],
        "learnt": {},
    }
    place = value
    while True:
        keys = sorted(place, key=str) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    new = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just(torch.zeros(2))
    place[key] = data.draw(new | st.lists(new, max_size=2) | st.dictionaries(st.text(max_size=3), new, max_size=2))
    with suppress(ModelFileError):  # and nothing else
        state = SavedState.of(value, "last.pt")
        load_network(net, state.net, "last.pt")
        load_optimizer(optimizer, state.optimizer, "last.pt")
        optimizer.step()


def test_without_a_pixel_that_counts_the_last_network_is_kept(tmp_path: Path) -> None:
    dataset = DatasetFolder.open(write_dataset(tmp_path / "d"))
    for mask in (dataset.path / "masks" / "val").iterdir():
        cv2.imwrite(str(mask), np.full((48, 64), IGNORE, np.uint8))
    outcome = train(job(dataset, tmp_path / "run"), Watcher())
    assert outcome.miou is None
    best, last = (read_checkpoint(tmp_path / "run" / name)["model"] for name in ("best.pt", "last.pt"))
    assert all(torch.equal(best[name], tensor) for name, tensor in last.items())


def test_a_best_network_that_has_gone_is_not_claimed_and_a_damaged_one_stops_the_run(
    dataset: DatasetFolder, tmp_path: Path
) -> None:
    train(job(dataset, tmp_path / "run"), Watcher())
    best = tmp_path / "run" / "best.pt"
    best.unlink()
    outcome = train(job(dataset, tmp_path / "run", resume=True), Watcher())
    assert outcome.miou is None
    last = read_checkpoint(tmp_path / "run" / "last.pt")["model"]
    assert all(torch.equal(tensor, last[name]) for name, tensor in read_checkpoint(best)["model"].items())
    best.write_bytes(b"")
    with pytest.raises(ModelFileError, match=r"best\.pt is empty"):
        train(job(dataset, tmp_path / "run", resume=True), Watcher())
