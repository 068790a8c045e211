"""What all tests of measuring measure."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeunet_bench.measure.input_frames import InputFrames, load_inputs
from tests.models import toy_spec, write_toy_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_model(tmp_path_factory.mktemp("models") / "toy.onnx", toy_spec((96, 128)))


@pytest.fixture(scope="session")
def inputs() -> InputFrames:
    return load_inputs(None)
