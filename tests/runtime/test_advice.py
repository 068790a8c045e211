"""A file on a machine that it was not made for works, and a note says which command makes the faster one."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeunet.board.gpu import Gpu
from edgeunet.errors import GpuError
from edgeunet.runtime import advice, open_session
from edgeunet.spec import ModelSpec, Precision
from tests.models import toy_spec, write_toy_model


def opened(path: Path, precision: Precision, target: str) -> Path:
    write_toy_model(path, toy_spec().with_provenance(precision=precision, target=target))
    open_session(path).close()
    return path


def test_a_file_for_gpus_says_so_once_on_a_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = opened(tmp_path / "trt.onnx", "int8", "tensorrt")
    said = capsys.readouterr().err
    assert said.startswith(f"note: {path} was made for TensorRT")
    assert "--target openvino" in said
    open_session(path).close()
    assert capsys.readouterr().err == ""
    opened(tmp_path / "half.onnx", "fp16", "")
    assert "run the fp32 file" in capsys.readouterr().err


@pytest.mark.parametrize(("precision", "target"), [("fp32", ""), ("int8", "cpu")])
def test_a_file_for_this_machine_says_nothing(
    precision: Precision, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened(tmp_path / "m.onnx", precision, target)
    assert capsys.readouterr().err == ""


def test_who_makes_a_file_for_a_gpu_without_one_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def spec(target: str) -> ModelSpec:
        return toy_spec().with_provenance(precision="int8", target=target)

    def no_gpu() -> Gpu:
        raise GpuError("there is no driver")

    monkeypatch.setattr(advice, "find_gpu", no_gpu)
    advice.advise_without_gpu(tmp_path / "cpu.onnx", spec("cpu"))
    assert capsys.readouterr().err == ""
    advice.advise_without_gpu(tmp_path / "trt.onnx", spec("tensorrt"))
    assert "this machine has no NVIDIA GPU" in capsys.readouterr().err
    monkeypatch.setattr(advice, "find_gpu", lambda: Gpu("Orin", "8.7", "12.6"))
    advice.advise_without_gpu(tmp_path / "other.onnx", spec("tensorrt"))
    assert capsys.readouterr().err == ""
