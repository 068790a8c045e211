"""The profile of a file is of the way in which it was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgeunet.runtime.cpu import layer_times as profile
from edgeunet.runtime.cpu.layer_times import layer_times
from edgeunet.spec import Execution
from tests.models import write_toy_model

pytest.importorskip("openvino", reason="OpenVINO is not installed")


def test_layers_of_both_backends_have_times_the_slowest_first(tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "m.onnx")
    for backend in ("onnxruntime", "openvino"):
        found = layer_times(path, Execution("here", backend))
        assert len(found) > 1
        assert found == sorted(found, key=lambda layer: -layer.ms)


def test_a_file_that_computes_in_bf16_is_profiled_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Core:
        def compile_model(self, model: Any, device: str, settings: Any) -> Any:
            asked.append(settings["INFERENCE_PRECISION_HINT"])
            raise InterruptedError

    monkeypatch.setattr(profile, "core", Core)
    monkeypatch.setattr(profile, "read_model", lambda *_: None)
    for compute in ("f32", "bf16"):
        with pytest.raises(InterruptedError):
            layer_times(write_toy_model(tmp_path / f"{compute}.onnx"), Execution("here", "openvino", compute))
    assert asked == ["f32", "bf16"]
