"""Engines built on a fake board: one version's fake bindings and an Orin."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgeunet.board.gpu import Gpu
from edgeunet_export.calibration.table_file import TensorRTVersion, write_table
from edgeunet_export.engine.build import EngineOptions
from edgeunet_export.engine.export_engine import Engine, export_engine
from tests.fakes.engine import ORIN
from tests.fakes.tensorrt import FakeTensorRT

Board = Callable[..., FakeTensorRT]
"""Puts bindings of a version ("10.3"), and a GPU (an Orin), into this machine."""


def install_board(monkeypatch: pytest.MonkeyPatch, version: str = "10.3", gpu: Gpu = ORIN) -> FakeTensorRT:
    """Put bindings of a version, and a GPU, into this machine until the test ends."""
    fake = FakeTensorRT(version)
    monkeypatch.setitem(sys.modules, "tensorrt", fake.module)
    monkeypatch.setattr("edgeunet.runtime.gpu.engine_file.find_gpu", lambda: gpu)
    return fake


def build(model: Path, options: EngineOptions | None = None, *, if_stale: bool = False, force: bool = False) -> Engine:
    """M.onnx → M.engine."""
    output = model.with_suffix(".engine")
    return export_engine(model, output, options or EngineOptions(), if_stale=if_stale, force=force)


def told(fake: FakeTensorRT) -> dict[str, tuple[Any, ...]]:
    """What the builder's configuration was told; flags together."""
    config = [(name, arguments) for owner, name, arguments in fake.calls if owner == "IBuilderConfig"]
    flags = tuple(arguments[0] for name, arguments in config if name == "set_flag")
    return dict(config) | {"set_flag": flags}


def table_for(version: str, folder: Path) -> Path:
    """A calibration table that TensorRT `version` reads."""
    major, minor = version.split(".")
    write_table(folder / "m.cache", TensorRTVersion(int(major), int(minor), 0), {"frame": 255.0, "logits": 300.0})
    return folder / "m.cache"
