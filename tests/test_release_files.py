"""Files of earlier versions still open, with the commands of today; release/README.md says how they were made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.commands import Run

RELEASE = Path(__file__).parent / "release"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A copy, so that nothing is written beside the originals."""
    return Path(shutil.copytree(RELEASE, tmp_path / "release"))


@pytest.mark.parametrize(
    ("name", "miou"),
    [("checkpoint.pt", 0.983), ("model.onnx", 0.983), ("model.int8.onnx", 0.98), ("qat/best.pt", 0.98)],
)
def test_networks_score_what_they_scored(run: Run, release: Path, name: str, miou: float) -> None:
    ran = run("evaluate", release / name, release / "dataset", "--json")
    assert json.loads(ran.out)["miou"] == pytest.approx(miou, abs=0.01)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("checkpoint.pt", {"levels": [2], "bottleneck": 4, "upsampling": "nearest", "parameters": 465}),
        ("model.onnx", {"precision": "fp32", "input_size": [32, 32], "fit": "letterbox"}),
        ("model.int8.onnx", {"precision": "int8", "target": "cpu", "calibration": "mse, 2 images"}),
        ("model.engine", {"gpu": "Orin", "provider": "tensorrt", "tensorrt_version": "10.3.0"}),
    ],
)
def test_files_say_what_they_are(run: Run, release: Path, name: str, facts: dict[str, object]) -> None:
    found = json.loads(run("info", release / name, "--json").out)
    assert found["classes"] == ["ground", "bar", "disc"]
    assert facts.items() <= found.items()


def test_an_engine_is_checked_against_its_json_first_and_then_against_the_machine(run: Run, release: Path) -> None:
    damaged = "not the engine that model.engine.json describes"
    assert damaged not in run("doctor", release / "model.engine", "--json").out
    with (release / "model.engine").open("ab") as file:
        file.write(b"more")
    assert damaged in run("doctor", release / "model.engine", "--json").out


def test_stored_ranges_make_the_same_integers(run: Run, release: Path, tmp_path: Path) -> None:
    ranges = ("--data", release / "dataset", "--ranges", release / "model.int8.ranges.json")
    ran = run("export", "int8", release / "model.onnx", "-o", tmp_path / "again.onnx", *ranges, "--max-drop", "30")
    assert ran.code == 0, ran.err
    assert "mse, 2 images" in ran.out


def test_an_interrupted_training_goes_on(run: Run, release: Path) -> None:
    options = ("--steps", "6", "--batch", "2", "--workers", "0", "--precision", "fp32", "--resume")
    ran = run("train", release / "dataset", "-o", release / "qat", "--qat", release / "checkpoint.pt", *options)
    assert ran.code == 0, ran.err
    record, before = (json.loads((folder / "qat" / "run.json").read_text()) for folder in (release, RELEASE))
    assert (before["steps"], record["steps"], record["finished"]) == (3, 6, True)
    assert record["curve"][0] == before["curve"][0], "the log of the first half is kept"
    assert before.keys() <= record.keys(), "every field that the release wrote is still there"


def test_force_knows_the_run_and_the_dataset_as_edgeunets_own(run: Run, release: Path) -> None:
    training = ("train", release / "dataset", "-o", release / "qat", "--size", "32x32", "--steps", "1")
    assert run(*training).code == 1
    assert run(*training, "--model", "nano", "--workers", "0", "--force").code == 0
    source = Path(shutil.copytree(release / "dataset", release / "source"))
    converting = ("data", "convert", source, "-o", release / "dataset", "--layout", "indices")
    assert run(*converting).code == 1
    assert run(*converting, "--force").code == 0
