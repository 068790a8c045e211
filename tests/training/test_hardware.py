from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import UsageError
from edgeunet.network.checkpoint import load_model
from edgeunet.training.hardware import bf16_pays, trained_precision
from edgeunet.training.training_options import TrainingOptions
from edgeunet.training.training_run import train
from tests.training.jobs import Watcher, job

CPU = torch.device("cpu")


def test_auto_is_what_the_device_does_fast() -> None:
    assert trained_precision("auto", CPU) == ("bf16" if bf16_pays(CPU) else "fp32")
    assert trained_precision("fp16", torch.device("cuda")) == "fp16"


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU fp16 is right")
def test_fp16_without_a_gpu_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match=r"fp16 needs a GPU.*give auto, bf16 or fp32"):
        TrainingOptions(precision="fp16")


def test_an_unknown_precision_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="'int8': choose one of auto, fp32, bf16, fp16"):
        TrainingOptions(precision="int8")


def test_bf16_learns_nearly_the_same_as_fp32(dataset: DatasetFolder, tmp_path: Path) -> None:
    losses = {}
    for name in ("fp32", "bf16"):
        watcher = Watcher()
        train(job(dataset, tmp_path / name, precision=name), watcher)
        losses[name] = watcher.losses
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.1)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ on a CPU")
@pytest.mark.skipif(" " in torch.__path__[0], reason="torch.compile takes no blank in the path of its own files")
@pytest.mark.filterwarnings("default")  # torch's own, about its own code
def test_a_compiled_network_learns_the_same_and_its_checkpoint_opens_without(
    dataset: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    plain, compiled = Watcher(), Watcher()
    train(job(dataset, tmp_path / "plain", features=(2,), precision="fp32"), plain)
    outcome = train(job(dataset, tmp_path / "run", features=(2,), precision="fp32", compiled=True), compiled)
    assert any((tmp_path / "cache").rglob("*.so")), "nothing was compiled"
    assert compiled.losses == pytest.approx(plain.losses, rel=1e-3)
    net, _ = load_model(outcome.checkpoint)
    assert net.config.features == (2,)
