from __future__ import annotations

import json
from pathlib import Path

import torch

from edgeunet import __version__
from edgeunet.data.dataset import DatasetFolder
from edgeunet.network.checkpoint import load_model
from edgeunet.training.output.run_record import run_record
from edgeunet.training.training_run import train
from tests.training.jobs import RECIPE, Watcher, job


def test_the_record_tells_what_a_run_was_and_how_good_it_became(dataset: DatasetFolder, tmp_path: Path) -> None:
    watcher = Watcher()
    task = job(dataset, tmp_path)
    outcome = train(task, watcher)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["schema"] == "edgeunet.run/1"
    assert record["finished"]
    assert (record["steps"], record["seed"], record["size"], record["fit"]) == (12, RECIPE.seed, [32, 48], "letterbox")
    assert record["recipe"]["augmentation"]["scale"] == list(RECIPE.augmentation.scale)
    assert record["parameters"] == sum(p.numel() for p in load_model(outcome.checkpoint)[0].parameters())
    assert record["network"]["features"] == [8, 16]
    assert record["data"]["train"]["frames"] == 4
    assert task.val is not None
    assert record["data"]["val"] == {"frames": 2, "sha256": task.val.sha256}
    assert record["versions"]["edgeunet"] == __version__
    assert record["versions"]["torch"] == torch.__version__
    assert int(record["machine"]["usable_cpus"]) >= 1
    assert record["seconds"] > 0
    assert [point["step"] for point in record["curve"]] == [4, 8, 12]
    assert [point["miou"] for point in record["curve"]] == [s.miou for s in watcher.scores]
    best = max(watcher.scores, key=lambda s: s.miou)
    assert record["best"]["miou"] == best.miou == outcome.miou
    assert record["best"]["step"] == 4 * (1 + watcher.scores.index(best))
    assert record["best"]["iou"] == dict(zip(dataset.names, best.iou, strict=True))


def test_the_times_of_all_starts_are_added(dataset: DatasetFolder, tmp_path: Path) -> None:
    train(job(dataset, tmp_path), Watcher(interrupt_at=6))
    first = json.loads((tmp_path / "run.json").read_text())
    assert not first["finished"]
    assert (first["steps"], len(first["curve"])) == (6, 1)
    train(job(dataset, tmp_path, resume=True), Watcher())
    second = json.loads((tmp_path / "run.json").read_text())
    assert second["finished"]
    assert second["seconds"] >= first["seconds"]
    assert second["curve"][0] == first["curve"][0]


def test_what_has_no_figure_is_null(dataset: DatasetFolder, tmp_path: Path) -> None:
    """A class that val does not have and nobody predicts, and a val split without a counted pixel."""
    nan = float("nan")
    rows = [
        {"step": 4, "loss": 1.0, "miou": nan, "accuracy": nan, "iou_ground": nan, "iou_disc": nan, "iou_bar": nan},
        {"step": 8, "loss": 0.5, "miou": 0.4, "accuracy": 0.9, "iou_ground": 0.5, "iou_disc": 0.3, "iou_bar": nan},
    ]
    task = job(dataset, tmp_path)
    value = run_record(task, precision="fp32", parameters=1, seconds=2.0, step=8, rows=rows, finished=False)
    record = json.loads(json.dumps(value, allow_nan=False))
    assert record["curve"][0] == {"step": 4, "loss": 1.0, "miou": None, "accuracy": None}
    assert record["best"]["step"] == 8
    assert record["best"]["iou"] == {"ground": 0.5, "disc": 0.3, "bar": None}
