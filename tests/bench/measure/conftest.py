"""What all tests of measuring measure."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeunet_bench.measure import measure_model as measuring
from edgeunet_bench.measure.input_frames import InputFrames, load_inputs
from tests.models import toy_spec, write_toy_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_model(tmp_path_factory.mktemp("models") / "toy.onnx", toy_spec((96, 128)))


@pytest.fixture(scope="session")
def inputs() -> InputFrames:
    return load_inputs(None)


@pytest.fixture(autouse=True)
def _short_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the time never settles, and the tests would wait for it."""
    monkeypatch.setattr(measuring, "MAX_WARMUP_S", 0.2)
