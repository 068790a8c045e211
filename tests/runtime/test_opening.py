from __future__ import annotations

import importlib.util
import os
import zipfile
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from edgeunet.board.machine import processor
from edgeunet.errors import ModelFileError, UsageError
from edgeunet.runtime import open_session
from edgeunet.runtime.opening import ONNX_BACKENDS
from edgeunet.spec import Execution
from tests.models import toy_spec, write_toy_model


def _opened(path: Path) -> str:
    with open_session(path) as session:
        return session.describe()["backend"]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The backends that are found: those that are really there, until the test takes one out."""
    present: set[str] = {name for name in ONNX_BACKENDS if importlib.util.find_spec(name) is not None}

    def find(name: str) -> ModuleSpec | None:
        return importlib.util.find_spec(name) if name in present else None

    monkeypatch.setattr("edgeunet.runtime.opening.find_spec", find)
    return present


@pytest.mark.parametrize(
    ("processor", "target", "missing", "backend"),
    [
        ("x86_64", "", "", "onnxruntime"),
        ("x86_64", "tensorrt", "", "onnxruntime"),
        ("x86_64", "cpu", "", "openvino"),
        ("AMD64", "cpu", "", "openvino"),
        ("x86_64", "cpu", "openvino", "onnxruntime"),
        ("x86_64", "", "onnxruntime", "openvino"),
        ("aarch64", "cpu", "", "onnxruntime"),
        ("arm64", "cpu", "", "onnxruntime"),
        ("aarch64", "cpu", "onnxruntime", "openvino"),
    ],
)
def test_the_fastest_backend_that_is_installed_and_exact_is_taken(
    processor: str,
    target: str,
    missing: str,
    backend: str,
    installed: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    monkeypatch.setattr("edgeunet.runtime.opening.platform.machine", lambda: processor)
    installed.discard(missing)
    spec = toy_spec((32, 48)).with_provenance(target=target)
    assert _opened(write_toy_model(tmp_path / "m.onnx", spec)) == backend


def test_a_damaged_spec_is_refused_before_a_backend_is_chosen(tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes().replace(b"input_size", b"input_sise"))
    with pytest.raises(ModelFileError, match="valid spec"):
        open_session(path)


def test_files_that_no_backend_opens(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no such model file"):
        open_session(tmp_path / "none.onnx")
    for name, says in (("m.txt", r"no backend runs \.txt"), ("m", "without an ending")):
        (tmp_path / name).write_bytes(b"\xff")
        with pytest.raises(ModelFileError, match=says):
            open_session(tmp_path / name)


def test_a_file_is_told_by_its_content_whatever_it_is_called(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "weights", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    for name in ("best.pt", "best.pth", "best", "model.onnx"):
        (tmp_path / "weights").replace(tmp_path / name)
        with pytest.raises(ModelFileError, match=f"{name} is a checkpoint: `edgeunet export onnx .*{name} -o"):
            open_session(tmp_path / name)
        (tmp_path / name).replace(tmp_path / "weights")
    write_toy_model(tmp_path / "model.pt")
    with pytest.raises(ModelFileError, match="is an ONNX file"):
        open_session(tmp_path / "model.pt")


def test_an_unknown_backend_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="onnxruntime, openvino"):
        open_session(write_toy_model(tmp_path / "m.onnx"), backend="tflite")


@pytest.mark.parametrize("backend", ONNX_BACKENDS)
def test_a_file_whose_name_is_not_utf8_is_opened(tmp_path: Path, backend: str) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9") / os.fsdecode(b"\xff.onnx")
    path.parent.mkdir()
    write_toy_model(tmp_path / "a.onnx", toy_spec())
    (tmp_path / "a.onnx").rename(path)
    with open_session(path, backend=backend) as session:
        assert session.run(np.zeros((*session.spec.input_size, 3), np.uint8)).mask.shape == session.spec.input_size


@pytest.fixture
def chosen(tmp_path: Path) -> Path:
    """A file that was found to run fastest here in OpenVINO with one thread."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    execution = Execution(processor(), "openvino", threads=1, pinned=False)
    return write_toy_model(tmp_path / "chosen.onnx", replace(toy_spec(), execution=execution))


def test_a_measured_choice_is_followed_on_its_processor(chosen: Path) -> None:
    with open_session(chosen) as session:
        about = session.describe()
    assert (about["backend"], about["threads"], about["pinned"]) == ("openvino", "1", "no")


def test_what_is_asked_for_comes_before_a_measured_choice(chosen: Path) -> None:
    with open_session(chosen, threads=2) as session:
        assert session.describe()["threads"] == "2"
    with open_session(chosen, backend="onnxruntime") as session:
        assert session.describe()["backend"] == "onnxruntime"
    with open_session(chosen, in_flight=2) as session:
        assert session.describe() == {**session.describe(), "backend": "openvino", "in_flight": "2"}


def test_a_choice_for_another_processor_is_left_with_a_note(
    chosen: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edgeunet.runtime.opening.processor", lambda: "another one")
    with open_session(chosen) as session:
        assert session.describe()["backend"] == "onnxruntime"
    assert "was chosen for another processor" in " ".join(capsys.readouterr().err.split())


def test_a_choice_of_a_backend_that_is_missing_is_left_with_a_note(
    chosen: Path, installed: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    installed.discard("openvino")
    assert _opened(chosen) == "onnxruntime"
    assert "was chosen with openvino, which is not installed" in " ".join(capsys.readouterr().err.split())
