from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeunet.errors import MissingPartError, ModelFileError
from edgeunet.runtime import Session, open_session
from edgeunet.runtime.ort import OnnxRuntimeSession
from tests.models import toy_spec, write_toy_model
from tests.runtime.session_contract import SIZE, SessionContract, frame_of


class TestOnnxRuntime(SessionContract):
    def open(self, folder: Path) -> Session:
        return open_session(write_toy_model(folder / "m.onnx", toy_spec(SIZE)), backend="onnxruntime")


def test_threads_can_be_chosen(tmp_path: Path) -> None:
    with open_session(write_toy_model(tmp_path / "m.onnx"), backend="onnxruntime", threads=1) as session:
        assert session.describe()["threads"] == "1"


class TestTwoFramesInFlight(SessionContract):
    def open(self, folder: Path) -> Session:
        return open_session(write_toy_model(folder / "m.onnx", toy_spec(SIZE)), backend="onnxruntime", in_flight=2)


def test_input_and_output_stay_in_the_same_buffers(tmp_path: Path) -> None:
    with OnnxRuntimeSession(write_toy_model(tmp_path / "m.onnx")) as session:
        (slot,) = session._free
        before = slot.input.ctypes.data, slot.output.ctypes.data
        for k in range(3):
            mask = session.run(frame_of(k)).mask
            assert np.array_equal(slot.output[0], mask), "the model writes where it is bound to"
        assert (slot.input.ctypes.data, slot.output.ctypes.data) == before
        assert list(session._free) == [slot]


def test_a_file_of_another_contract_is_refused(tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.output[0].name = model.graph.node[-1].output[0] = "classes"
    onnx.save(model, path)
    with pytest.raises(ModelFileError, match=r"frame \(uint8\), classes \(uint8\)"):
        open_session(path, backend="onnxruntime")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(ModelFileError, match="can load"):
        open_session(tmp_path / "empty.onnx", backend="onnxruntime")


def test_without_onnxruntime_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPartError, match="pip install onnxruntime"):
        open_session(write_toy_model(tmp_path / "m.onnx"), backend="onnxruntime")
