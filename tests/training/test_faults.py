"""What ends a training before its time, and that what was saved until then stays."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import TrainingError
from edgeunet.network.checkpoint import load_model, read_checkpoint
from edgeunet.training.faults import explained, some_names
from edgeunet.training.training_run import train
from tests.processes import started
from tests.training.conftest import Trained
from tests.training.jobs import RECIPE, Watcher, job

pytestmark = pytest.mark.timeout(600)  # four of them start a Python that loads torch


def test_a_loss_that_is_not_finite_names_the_batch(dataset: DatasetFolder, tmp_path: Path) -> None:
    recipe = replace(RECIPE, lr=1e30, warmup=0.0, optimizer="sgd", min_steps=50, evaluations=50)
    watcher = Watcher()
    with pytest.raises(TrainingError) as caught:
        train(job(dataset, tmp_path, recipe), watcher)
    steps = len(watcher.losses)
    says = str(caught.value)
    assert f"at step {steps + 1}, on crops of 00" in says
    assert "lower the learning rate (--lr, now 1e+30)" in says
    assert says.endswith(f"{tmp_path / 'last.pt'} keeps the state of step {steps}")
    assert read_checkpoint(tmp_path / "last.pt")["run"]["step"] == steps


def test_a_gradient_that_is_not_finite_stops_before_it_spoils_the_weights(
    dataset: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.nn.utils.clip_grad_norm_", lambda *_: torch.tensor(float("inf")))
    with pytest.raises(TrainingError, match=r"gradient is no longer finite at step 1.*no checkpoint was written yet"):
        train(job(dataset, tmp_path), Watcher())


def test_the_samples_of_a_large_batch_are_not_all_named() -> None:
    assert some_names(["b", "a", "b"]) == "a, b"
    assert some_names([f"{k:02}" for k in range(10)]) == "00, 01, 02, 03, 04, 05, 06, 07 and 2 more"


def test_errors_that_nobody_expects_keep_their_traceback() -> None:
    assert explained(RuntimeError("mat1 and mat2 shapes cannot be multiplied")) is None


NO_MEMORY = """
import re, resource, sys
from dataclasses import replace
from pathlib import Path
from edgeunet.utils import console
from edgeunet.data.dataset import DatasetFolder
from edgeunet.spec import ModelSpec
from edgeunet.training.training_run import train
from tests.training.jobs import RECIPE, Watcher, job

data, folder = DatasetFolder.open(sys.argv[1]), Path(sys.argv[2])
recipe = replace(RECIPE, batch=int(sys.argv[3]), min_steps=2, evaluations=2)
task = replace(job(data, folder, recipe, (2, 4), precision="fp32"), spec=ModelSpec(data.classes, (256, 256)))
train(replace(task, recipe=replace(recipe, batch=1), folder=folder / "warm"), Watcher())  # torch loads its libraries
used = 1024 * int(re.search(r"VmSize:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20), -1))
sys.exit(console.run(lambda: train(task, Watcher())))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and limits a process's memory")
def test_a_batch_too_large_for_the_memory_says_which_one_fits(dataset: DatasetFolder, tmp_path: Path) -> None:
    command = [sys.executable, "-c", NO_MEMORY, str(dataset.path)]
    ran = subprocess.run([*command, str(tmp_path / "large"), "256"], capture_output=True, text=True)
    assert ran.returncode == 1, ran.stderr
    assert ran.stderr.count("error: ") == 1
    assert "Traceback" not in ran.stderr
    assert "error: a batch of 256 does not fit into the memory of the CPU; one of " in ran.stderr
    assert "no checkpoint was written yet" in ran.stderr
    fitting = ran.stderr.partition("--batch ")[2].partition(";")[0]
    ran = subprocess.run([*command, str(tmp_path / "fits"), fitting], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


KILLED = """
import sys, time
from pathlib import Path
from edgeunet.data.dataset import DatasetFolder
from edgeunet.training.training_run import train
from tests.training.jobs import Watcher, job

whole = Path.write_bytes
saved = 0

def half(path, data):
    global saved
    saved += ".last." in path.name
    if saved < 2:
        return whole(path, data)
    whole(path, bytes(data)[: len(data) // 2])
    print("half", flush=True)
    time.sleep(600)

Path.write_bytes = half
train(job(DatasetFolder.open(sys.argv[1]), Path(sys.argv[2])), Watcher())
"""


@pytest.mark.slow
def test_a_run_killed_in_the_middle_of_saving_goes_on_from_the_checkpoint_before(
    dataset: DatasetFolder, straight: Trained, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-c", KILLED, str(dataset.path), str(folder)]
    with started(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert len(list(folder.glob(".last.*.part.pt"))) == 1
    assert read_checkpoint(folder / "last.pt")["run"]["step"] == 4
    load_model(folder / "best.pt")
    train(job(dataset, folder, resume=True), Watcher())
    a, b = (read_checkpoint(run / "last.pt")["model"] for run in (straight.folder, folder))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not list(folder.glob("*.part.*")), "the half-written file is gone"


NO_COMPILER = """
import sys
from pathlib import Path
from edgeunet.utils import console
from edgeunet.data.dataset import DatasetFolder
from edgeunet.training.training_run import train
from tests.training.jobs import Watcher, job

task = job(DatasetFolder.open(sys.argv[1]), Path(sys.argv[2]), features=(2,), compiled=True)
sys.exit(console.run(lambda: train(task, Watcher())))
"""


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU needs no C++ compiler")
def test_compiling_without_a_compiler_says_what_to_do(
    dataset: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "/no/such/compiler")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    command = [sys.executable, "-c", NO_COMPILER, str(dataset.path), str(tmp_path / "run")]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1, ran.stderr
    *progress, error = ran.stderr.splitlines()
    assert error.startswith("error: torch.compile fails here (")
    assert "it needs g++, and no blank in the path of PyTorch; or leave out --compile" in error
    assert all(line.startswith("reading ") for line in progress)
