import subprocess
import sys
from pathlib import Path

import pytest

from edgeunet.cli.export import app
from edgeunet.errors import EdgeUNetError
from edgeunet.utils.console import run
from tests.export.scaled import scaled


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
    assert "5 classes, 64×96, fp32" in out
    assert "agrees with PyTorch on 100.000% of the pixels of 2 frames" in out
    assert "largest logit difference" in out
    assert _run("int8", model, "-o", int8, "--data", dataset, "--method", "minmax", "--calib-images", 3) == 0
    out = capsys.readouterr().out
    assert "m.int8.onnx: int8 for tensorrt, " in out
    assert "ranges: minmax, 3 images" in out
    assert "11 of 13 convolutions in int8" in out
    assert "on 2 val frames" in out
    assert _run("verify", model, int8, "--data", dataset) == 0
    assert "m.onnx and m.int8.onnx agree on 9" in capsys.readouterr().out


def test_the_other_precisions_and_the_cache_are_made_and_verified(
    steady_model: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fp16, mixed, cache = tmp_path / "m.fp16.onnx", tmp_path / "m.int8.onnx", tmp_path / "m.cache"
    assert _run("fp16", steady_model, "-o", fp16, "--data", dataset, "--images", 2) == 0
    out = capsys.readouterr().out
    assert "m.fp16.onnx: fp16, " in out
    assert "fp32 and fp16 agree on " in out
    assert "of the pixels of 2 frames" in out
    options = ("--data", dataset, "--calib-images", 2)
    assert _run("int8", steady_model, "-o", mixed, *options, "--precision", "int8+fp16") == 0
    assert "m.int8.onnx: int8+fp16 for tensorrt, " in capsys.readouterr().out
    assert _run("cache", steady_model, "-o", cache, *options, "--tensorrt", "10.3") == 0
    assert "ranges of 33 tensors (mse, 2 images), for TensorRT 10.3.0" in capsys.readouterr().out
    assert _run("verify", steady_model, fp16, "--data", dataset, "--worst", 1, "-o", tmp_path / "worst") == 0
    out = capsys.readouterr().out
    assert " deviates most on 000" in out
    (picture,) = (tmp_path / "worst").glob("*.png")
    assert f"{tmp_path / 'worst'}: {picture.name} (frame | steady.onnx | m.fp16.onnx | difference)" in out


def test_int8_for_a_cpu_is_timed_and_its_layers_reported(
    steady_model: Path,
    dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgeunet_export.summary.int8_instructions", list)
    int8, report = tmp_path / "m.onnx", tmp_path / "report"
    options = ("--data", dataset, "--calib-images", 2, "--target", "onnxruntime", "--report", report)
    assert _run("int8", steady_model, "-o", int8, *options) == 0
    out = capsys.readouterr().out
    assert "m.onnx: int8 for onnxruntime, " in out
    assert "this CPU has no INT8 instructions" in out
    assert "  on this CPU: fp32 " in out
    assert {path.name for path in report.glob("s*")} == {"sensitivity.csv", "sensitivity.png"}
    assert _run("int8", steady_model, "-o", tmp_path / "again.onnx", *options) == 1
    assert f"{report} exists" in capsys.readouterr().err
    assert not (tmp_path / "again.onnx").exists()


def test_what_stays_in_float32_is_said(steady_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = scaled(steady_model, tmp_path / "m.onnx", 1e6)
    assert _run("fp16", source, "-o", tmp_path / "fp16.onnx", "--images", 2) == 0
    assert "  2 convolutions stay in fp32: inc.0, inc.3\n" in capsys.readouterr().out


def test_an_error_is_one_line_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("onnx", tmp_path / "none.pt", "-o", tmp_path / "m.onnx") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_option_is_exit_code_2(model: Path, dataset: Path, tmp_path: Path) -> None:
    assert _run("int8", model, "-o", tmp_path / "m.onnx", "--data", dataset, "--method", "magic") == 2
    assert _run("int8", model, "-o", tmp_path / "m.onnx") == 2
    assert _run("cache", model, "-o", tmp_path / "m.cache", "--data", dataset, "--tensorrt", "11.4") == 2
    assert _run("cache", model, "-o", tmp_path / "m.cache", "--tensorrt", "10.3") == 2
    assert _run("verify", model, model, "--data", dataset, "--worst", 0) == 2


def test_a_missing_part_is_named_with_the_command_that_installs_it(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeunet.utils.dependencies.find_spec", lambda name: None if name == "onnx" else object())
    with pytest.raises(EdgeUNetError, match=r"ONNX is not installed.*pip install onnx"):
        app(["onnx", str(checkpoint), "-o", str(tmp_path / "m.onnx")], standalone_mode=False)


def test_the_commands_are_listed_without_importing_anything_heavy() -> None:
    heavy = "{'torch', 'onnx', 'numpy', 'cv2', 'onnxruntime'}"
    code = f"import sys, edgeunet.cli.export; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
