"""Small networks with real statistics, and the model files made from them, each made once for all tests here."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from edgeunet import samples
from edgeunet.network.unet import UNetConfig
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from tests.export.engines import Board, install_board
from tests.export.networks import save_network
from tests.export.scaled import change

NEAREST = UNetConfig(classes=5, features=(8, 16), up="nearest")
TRANSPOSE = UNetConfig(classes=1, features=(8, 16), up="transpose")
COMPACT = UNetConfig(5, (8, 16), up="nearest", bottleneck=24, stride=2, residual=((), (1,), (1, 2)))


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """PyTorch's threads wait for each other by spinning: on a busy machine tiny networks take ten times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five classes (those of the sample frames), nearest upsampling, 64x96."""
    return save_network(tmp_path_factory.mktemp("nearest") / "net.pt", NEAREST, (64, 96))


@pytest.fixture(scope="session")
def binary_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One logit, transposed convolutions, and a size that pooling can't halve: 51x67."""
    return save_network(tmp_path_factory.mktemp("transpose") / "net.pt", TRANSPOSE, (51, 67))


@pytest.fixture(scope="session")
def compact_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five classes, a strided start, residual blocks, a head that doubles the size, and an odd size: 51x67."""
    return save_network(tmp_path_factory.mktemp("compact") / "net.pt", COMPACT, (51, 67))


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> Path:
    return _exported(checkpoint)


@pytest.fixture(scope="session")
def steady_model(model: Path) -> Path:
    """`model`, but with one class ahead of the others: an untrained network's logits are so close that rounding alone
    changes a pixel in a thousand."""
    proto = onnx.load(model)
    change(proto, "out.bias", lambda bias: bias + np.array([0.08, 0, 0, 0, 0]))
    path = model.with_name("steady.onnx")
    onnx.save(proto, path)
    return path


@pytest.fixture(scope="session")
def binary_model(binary_checkpoint: Path) -> Path:
    return _exported(binary_checkpoint)


@pytest.fixture(scope="session")
def dataset() -> Path:
    """Nine train and two val frames with masks, five classes."""
    return samples.DATASET


@pytest.fixture(scope="session")
def compact_model(compact_checkpoint: Path) -> Path:
    return _exported(compact_checkpoint)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    return partial(install_board, monkeypatch)


def _exported(checkpoint: Path) -> Path:
    path = checkpoint.with_suffix(".onnx")
    export_onnx(checkpoint, path, ExportOptions(), data=None, split="val", force=False)
    return path
