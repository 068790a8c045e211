"""A sweep of real files in real processes, and what becomes of it when something goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from typer.testing import CliRunner, Result

from edgeunet.cli.bench import app
from edgeunet.errors import DatasetError, MismatchError, ModelFileError, OutputError, UsageError
from edgeunet.runtime.model_identity import ModelFile
from edgeunet.samples import DATASET
from edgeunet.spec import ClassInfo, ModelSpec
from edgeunet_bench.sweep import passes, visit
from edgeunet_bench.sweep.grid import Combination, SweepOptions, expand
from edgeunet_bench.sweep.passes import sweep
from edgeunet_bench.sweep.sweep_file import Sweep
from edgeunet_bench.sweep.visit import Visit, VisitError, measured
from tests.datasets import CLASSES, write_dataset
from tests.models import write_toy_model
from tests.processes import started

FILE = ModelFile("toy.onnx", "ab" * 32, 1234)
CHECKOUT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classes of tests.datasets."""
    classes = tuple(ClassInfo(str(c["name"]), tuple(c["color"])) for c in CLASSES[:3])  # type: ignore[arg-type]
    return write_toy_model(tmp_path_factory.mktemp("models") / "toy.onnx", ModelSpec(classes, (32, 48)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "shapes")


def _bench(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["sweep", *map(str, arguments)])


def instead_of_measuring(monkeypatch: pytest.MonkeyPatch, stop_at: int = 0) -> list[Combination]:
    """Stands in for the processes; gives the order of the turns. stop_at: the turn that Ctrl-C hits."""
    order: list[Combination] = []

    def turn(combination: Combination, *_: Any) -> Visit:
        order.append(combination)
        if len(order) == stop_at:
            raise KeyboardInterrupt
        energy_mj, hot = 100.0 * order.count(combination), len(order) == 1
        about = {"backend": "none", "version": "1", "threads": str(combination.threads)}
        return Visit(about, FILE, np.full(9, 5.0), energy_mj, hot)

    monkeypatch.setattr(passes, "measured", turn)
    return order


def test_a_sweep_as_it_is_typed(model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "PASSES", 2)
    output, plot = tmp_path / "sweep.json", tmp_path / "plot.svg"
    (tmp_path / "strange.onnx").write_bytes(b"nothing")
    files = (model, tmp_path / "strange.onnx")
    options = ("--data", data, "--threads", "1", "--seconds", 0.1, "--budget-ms", 1000, "--plot", plot)
    result = _bench(*files, *options, "-o", output)
    assert result.exit_code == 0, result.output
    assert "for 1000 ms take toy" in result.output
    assert "not run: strange.onnx: " in result.output
    assert "2 combinations in 2 passes: about" in result.output
    found = Sweep.load(output)
    assert sorted(row.backend for row in found.rows) == ["onnxruntime", "openvino"]
    assert all(len(row.passes_ms) == 2 and row.threads == 1 and row.summary.n > 2 for row in found.rows)
    assert all(row.miou is not None and 0 < row.miou < 1 for row in found.rows)
    assert found.labels == "shapes, val"
    assert found.frames == "shapes, 2 frames of 64x48"
    assert not found.partial
    assert [s.model for s in found.skipped] == ["strange.onnx"]
    assert ">toy, " in plot.read_text()


@pytest.mark.parametrize(("facts", "says"), [({"l4t": "R36.4.3"}, True), ({"gpu": "RTX 4090"}, True), ({}, False)])
def test_on_a_board_with_a_gpu_it_says_that_the_cpu_is_measured(
    facts: dict[str, str], says: bool, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead_of_measuring(monkeypatch)
    monkeypatch.setattr(passes, "fingerprint", lambda _: facts)
    result = _bench(model, "--threads", "1", "--backends", "onnxruntime")
    assert (".onnx files run on the CPU; for the GPU give engines" in result.output) == says


def test_every_pass_has_all_of_them_in_another_order(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = instead_of_measuring(monkeypatch)
    found = sweep([model], SweepOptions(backends=("onnxruntime",), threads=(1, 2, 3, 4, 5)))
    turns = [[c.threads for c in order[i : i + 5]] for i in range(0, len(order), 5)]
    assert len(turns) == passes.PASSES
    assert all(set(turn) == {1, 2, 3, 4, 5} for turn in turns)
    assert len({tuple(turn) for turn in turns}) == passes.PASSES
    assert [len(row.passes_ms) for row in found.rows] == [passes.PASSES] * 5
    assert sorted(row.throttled for row in found.rows) == [False] * 4 + [True]
    assert [row.energy_mj for row in found.rows] == [200.0] * 5  # mean of 100, 200 and 300


def test_ctrl_c_keeps_what_there_is(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instead_of_measuring(monkeypatch, stop_at=3)
    result = _bench(model, "--backends", "onnxruntime", "--threads", "1,2,3", "-o", tmp_path / "s.json", "--json")
    assert result.exit_code == 130
    found = Sweep.load(tmp_path / "s.json")
    assert found.partial
    assert len(found.rows) == 2
    assert [s.reason for s in found.skipped] == ["interrupted before its first pass"]
    instead_of_measuring(monkeypatch, stop_at=1)
    with pytest.raises(KeyboardInterrupt):  # nothing to keep
        sweep([model], SweepOptions())


def turns_of(pid: int) -> set[int]:
    """The processes of a sweep that measure now."""
    found = set()
    with suppress(psutil.NoSuchProcess):  # one of them, or the sweep, has just ended
        for child in psutil.Process(pid).children():
            if "spawn_main" in " ".join(child.cmdline()):  # a zombie has no command line
                found.add(child.pid)
    return found


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_ends_the_turn_and_writes_the_file(model: Path, tmp_path: Path) -> None:
    output = tmp_path / "s.json"
    command = [sys.executable, "-m", "edgeunet", "bench", "sweep", str(model), "-o", str(output), "--seconds", "0.3"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(command, cwd=CHECKOUT, start_new_session=True, **pipes) as process:
        turns: set[int] = set()
        while len(turns) < 2 and process.poll() is None:  # in the second one there is something to keep
            turns |= turns_of(process.pid)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "partial" in out
    assert "Traceback" not in errors
    found = Sweep.load(output)
    assert found.partial
    assert found.rows


def hears_ctrl_c() -> bool:
    return signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_turn_never_hears_ctrl_c_and_the_sweep_always_does() -> None:
    assert not visit.fresh(hears_ctrl_c)
    assert hears_ctrl_c()
    steps: list[str] = []

    def start() -> None:
        with visit._uninterrupted():
            os.kill(os.getpid(), signal.SIGINT)
            steps.append("started")

    with pytest.raises(KeyboardInterrupt):
        start()
    assert steps == ["started"]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_file_that_is_replaced_between_two_passes_is_said(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [FILE, ModelFile("toy.onnx", "cd" * 32, 999)]

    def replaced(combination: Combination, *_: Any) -> Visit:
        about = {"backend": "none", "version": "1", "threads": str(combination.threads)}
        return Visit(about, files.pop(0), np.full(9, 5.0))

    monkeypatch.setattr(passes, "measured", replaced)
    found = sweep([model], SweepOptions(backends=("onnxruntime",), threads=(1,)))
    assert [(row.model_sha256, row.size_bytes, len(row.passes_ms)) for row in found.rows] == [("ab" * 32, 1234, 1)]
    assert files == []
    assert "was replaced by another file meanwhile" in found.skipped[0].reason


def test_what_fails_later_is_said_and_not_tried_again(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[Combination] = []

    def failing(combination: Combination, *_: Any) -> Visit:
        order.append(combination)
        if combination.threads == 2 and len(order) > 2:
            raise VisitError("gone")
        return Visit({"backend": "none", "version": "1", "threads": str(combination.threads)}, FILE, np.full(9, 5.0))

    monkeypatch.setattr(passes, "measured", failing)
    found = sweep([model], SweepOptions(backends=("onnxruntime",), threads=(1, 2)))
    assert [len(row.passes_ms) for row in found.rows] == [3, 1]
    assert [(s.threads, s.reason) for s in found.skipped] == [(2, "gone")]
    assert len(order) == 5


def _die() -> None:
    os._exit(3)


def test_a_process_that_dies_is_a_reason_and_not_the_end(tmp_path: Path) -> None:
    with pytest.raises(VisitError, match="ended unexpectedly"):
        visit.fresh(_die)
    missing = expand([write_toy_model(tmp_path / "m.onnx")], SweepOptions(backends=("onnxruntime",)), tmp_path)[0][0]
    missing.variant.path.unlink()
    with pytest.raises(VisitError, match="no such model file"):
        measured(missing, None, 0.1)


def test_input_that_is_wrong_from_the_start_ends_it(model: Path, data: Path, tmp_path: Path) -> None:
    output = tmp_path / "s.json"
    for arguments, kind, word in (
        ((tmp_path / "none.onnx",), ModelFileError, "none.onnx"),
        ((model, "--backends", "tflite"), UsageError, "tflite"),
        ((model, "--threads", "two"), UsageError, "two"),
        ((model, "--sizes", "32"), UsageError, "HEIGHTxWIDTH"),
        ((model, "--plot", tmp_path / "plot.svg"), UsageError, "--data"),
        ((model, "--data", DATASET), MismatchError, "classes"),
        ((model, "--data", tmp_path), DatasetError, "classes.json"),
    ):
        result = _bench(*arguments, "-o", output)
        assert isinstance(result.exception, kind)
        assert word in str(result.exception)
        assert "\n" not in str(result.exception)
    (tmp_path / "strange.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelFileError, match=r"nothing could be run: strange\.onnx: .*is not a model but a text"):
        sweep([tmp_path / "strange.onnx"], SweepOptions())
    output.write_text("mine")
    assert isinstance(_bench(model, "-o", output).exception, OutputError)
    assert output.read_text() == "mine"
