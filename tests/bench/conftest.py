"""What most tests of benchmarks measure, and no longer than they must."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeunet_bench.measure import measure_model as measuring
from tests.models import write_toy_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_model(tmp_path_factory.mktemp("models") / "toy.onnx")


@pytest.fixture(autouse=True)
def _short_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the time never settles, and the tests would wait for it."""
    monkeypatch.setattr(measuring, "MAX_WARMUP_S", 0.2)
