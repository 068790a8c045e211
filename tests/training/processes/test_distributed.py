"""Training on two processes that torch's own launcher starts, on CPUs, over the loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from edgeunet.network.checkpoint import load_model
from edgeunet.training.processes import distributed
from tests.datasets import write_dataset
from tests.processes import started
from tests.tracebacks import frames_of_ours

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
        reason="this PyTorch is built without gloo",
    ),
]
EXACT = ["--model", "nano", "--size", "32x48", "--batch", 4, "--precision", "fp32", "--optimizer", "sgd", "--lr", 0.05]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "d", train=6, val=3)


def command(processes: int, *arguments: object) -> list[str]:
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    return [sys.executable, "-m", *(launcher if processes > 1 else []), "edgeunet", "train", *map(str, arguments)]


def environment() -> Mapping[str, str]:
    return os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}


def start(processes: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(processes, *arguments), env=environment(), capture_output=True, text=True)


def record(folder: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return value


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_with_the_same_batch(data: Path, tmp_path: Path) -> None:
    """In float32 sums in another order differ in the seventh digit, and training doubles that every other step."""
    for processes in (1, 2):
        ran = start(processes, data, "-o", tmp_path / str(processes), "--steps", 20, *EXACT)
        assert ran.returncode == 0, ran.stderr
    one, two = record(tmp_path / "1"), record(tmp_path / "2")
    assert (one["processes"], two["processes"]) == (1, 2)
    a, b = one["curve"], two["curve"]
    assert [p["step"] for p in a] == [p["step"] for p in b] == list(range(1, 21))
    losses = [[p["loss"] for p in curve] for curve in (a, b)]
    assert losses[1][:4] == pytest.approx(losses[0][:4], rel=1e-5)
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert [p["miou"] for p in b[:4]] == pytest.approx([p["miou"] for p in a[:4]], abs=2e-3)
    assert [p["miou"] for p in b] == pytest.approx([p["miou"] for p in a], abs=0.03)
    net, _ = load_model(tmp_path / "2" / "best.pt")
    assert any(type(m) is nn.BatchNorm2d for m in net.modules())


@pytest.mark.slow
def test_two_processes_freeze_the_encoder_of_an_earlier_network_as_one_does(data: Path, tmp_path: Path) -> None:
    words = [word for word in EXACT if word not in ("--model", "nano")]
    assert start(1, data, "-o", tmp_path / "0", "--steps", 2, *EXACT).returncode == 0
    for processes in (1, 2):
        more = ("--weights", tmp_path / "0" / "best.pt", "--freeze-encoder", 0.5)
        ran = start(processes, data, "-o", tmp_path / str(processes), "--steps", 6, *words, *more)
        assert ran.returncode == 0, ran.stderr
    one, two = ([point["loss"] for point in record(tmp_path / name)["curve"]] for name in "12")
    assert len(one) == 6
    assert two == pytest.approx(one, rel=1e-3)


@pytest.mark.slow
def test_a_signal_to_one_process_ends_both_and_one_process_goes_on(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    words = command(2, data, "-o", folder, "--steps", 100, *EXACT)
    with started(words, env=environment(), stderr=subprocess.PIPE) as launcher:
        while not (folder / "last.pt").exists():  # written at each evaluation
            assert launcher.poll() is None
            time.sleep(0.05)
        workers = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
        os.kill(int(workers[-1]), signal.SIGTERM)
        errors = launcher.communicate()[1]
        assert launcher.returncode != 0
    first = record(folder)
    assert 0 < first["steps"] < 100
    assert "error: " not in errors
    ran = start(1, data, "-o", folder, "--steps", 100, "--resume", *EXACT)
    assert ran.returncode == 0, ran.stderr
    second = record(folder)
    assert (second["finished"], second["steps"], second["processes"]) == (True, 100, 1)
    assert second["curve"][: len(first["curve"])] == first["curve"]


@pytest.mark.slow
def test_an_error_in_all_processes_is_one_line(data: Path, tmp_path: Path) -> None:
    ran = start(2, data, "-o", tmp_path / "run", "--batch", 3)
    ours = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert ours == ["error: a batch of 3 cannot be shared equally by 2 processes: give --batch 4"]
    assert frames_of_ours(ran.stderr) == []
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_error_in_one_process_ends_the_other_without_a_word(data: Path, tmp_path: Path) -> None:
    """Only rank 0 looks whether the folder is free, and the other one waits for it in the middle of its work."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.pt").write_text("precious")
    ran = start(2, data, "-o", tmp_path / "run", "--steps", 4, *EXACT)
    ours = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert ours == [f"error: {tmp_path / 'run'} holds a run already: --resume continues it, --force starts again"]
    assert frames_of_ours(ran.stderr) == []
    assert (tmp_path / "run" / "best.pt").read_text() == "precious"


def test_alone_nothing_communicates() -> None:
    values = torch.ones(3, requires_grad=True)
    assert distributed.summed(values) is values
    assert (distributed.rank(), distributed.size(), distributed.size_here()) == (0, 1, 1)
    assert distributed.first(2.5) == 2.5
    assert distributed.anywhere(condition=True)
    assert not distributed.anywhere(condition=False)
    distributed.barrier()
