import subprocess
import sys
from pathlib import Path

import pytest

from edgeunet.console import run
from edgeunet.errors import EdgeUNetError
from export.cli import app


def _run(*arguments: object) -> int:
    """The exit code of `edgeunet export …`."""
    try:
        return run(lambda: app([str(argument) for argument in arguments]))
    except SystemExit as end:
        return int(end.code or 0)


def test_a_checkpoint_becomes_onnx_then_int8_and_both_are_verified(
    checkpoint: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, int8 = tmp_path / "m.onnx", tmp_path / "m.int8.onnx"
    assert _run("onnx", checkpoint, "-o", model, "--data", dataset) == 0
    out = capsys.readouterr().out
    assert "5 classes, 64x96, fp32" in out
    assert "agrees with PyTorch on 100.000% of the pixels of 2 frames" in out
    assert "largest logit difference" in out
    assert _run("int8", model, "-o", int8, "--data", dataset, "--method", "minmax", "--images", 3) == 0
    out = capsys.readouterr().out
    assert "minmax ranges from 3 images of train" in out
    assert "fp32 and int8 agree on 9" in out
    assert "mIoU fp32" in out
    assert _run("verify", model, int8, "--data", dataset) == 0
    assert "m.onnx and m.int8.onnx agree on 9" in capsys.readouterr().out


def test_an_error_is_one_line_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("onnx", tmp_path / "none.pt", "-o", tmp_path / "m.onnx") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_option_is_exit_code_2(model: Path, dataset: Path, tmp_path: Path) -> None:
    assert _run("int8", model, "-o", tmp_path / "m.onnx", "--data", dataset, "--method", "magic") == 2
    assert _run("int8", model, "-o", tmp_path / "m.onnx") == 2


def test_a_missing_part_is_named_with_the_command_that_installs_it(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "onnx" else object())
    with pytest.raises(EdgeUNetError, match=r"onnx is not installed.*pip install onnx"):
        app(["onnx", str(checkpoint), "-o", str(tmp_path / "m.onnx")], standalone_mode=False)


def test_the_commands_are_listed_without_importing_anything_heavy() -> None:
    code = "import sys, export.cli; print(sorted({'torch', 'onnx', 'numpy', 'cv2', 'onnxruntime'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
