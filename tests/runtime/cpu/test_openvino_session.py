from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgeunet.errors import MissingDependencyError, ModelFileError
from edgeunet.runtime import Session, open_session
from tests.models import toy_spec, write_toy_model
from tests.runtime.session_contract import SIZE, SessionContract, frame_of

pytest.importorskip("openvino", reason="OpenVINO is not installed")


class TestOpenVino(SessionContract):
    def open(self, folder: Path) -> Session:
        return open_session(write_toy_model(folder / "m.onnx", toy_spec(SIZE)), backend="openvino")


class TestTwoFramesInFlight(SessionContract):
    def open(self, folder: Path) -> Session:
        return open_session(write_toy_model(folder / "m.onnx", toy_spec(SIZE)), backend="openvino", in_flight=2)


class TestBatch(SessionContract):
    in_flight = 1

    def open(self, folder: Path) -> Session:
        model = write_toy_model(folder / "m.onnx", toy_spec(SIZE), batch="N")
        return open_session(model, backend="openvino", batch=3, in_flight=self.in_flight)


class TestTwoBatchesInFlight(TestBatch):
    in_flight = 2


def test_a_model_of_fixed_batch_takes_one_frame_at_a_time(tmp_path: Path) -> None:
    with open_session(write_toy_model(tmp_path / "m.onnx"), backend="openvino", batch=3) as session:
        assert session.max_batch == 1


def test_without_openvino_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_toy_model(tmp_path / "m.onnx")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match="pip install openvino"):
        open_session(path, backend="openvino")


def test_both_backends_give_the_same_masks(tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "m.onnx")
    with open_session(path, backend="openvino") as a, open_session(path, backend="onnxruntime") as b:
        for k in range(5):
            frame = frame_of(k, (90, 70))
            assert np.array_equal(a.run(frame).mask, b.run(frame).mask)


def test_files_that_are_not_ours_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelFileError, match="is not a model but a text"):
        open_session(tmp_path / "text.onnx", backend="openvino")
    with pytest.raises(ModelFileError, match="no edgeunet spec"):
        open_session(write_toy_model(tmp_path / "bare.onnx", with_spec=False), backend="openvino")
    model = onnx.load(write_toy_model(tmp_path / "m.onnx"))
    model.graph.output[0].name = model.graph.node[-1].output[0] = "classes"
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ModelFileError, match="classes uint8"):
        open_session(tmp_path / "m.onnx", backend="openvino")


CLOSED_ELSEWHERE = """
import gc, signal, sys, threading
from edgeunet.runtime import open_session

def close():
    sessions.pop().close()
    gc.collect()

sessions = [open_session(sys.argv[1], backend="openvino")]
thread = threading.Thread(target=close)
thread.start()
thread.join()
signal.signal(signal.SIGINT, lambda *_: print("stopped"))
signal.raise_signal(signal.SIGINT)
"""


def test_ctrl_c_is_heard_after_another_thread_has_closed_a_session(tmp_path: Path) -> None:
    """As `camera --watch-model` does; it ended the process with a segmentation fault."""
    path = write_toy_model(tmp_path / "m.onnx")
    command = [sys.executable, "-c", CLOSED_ELSEWHERE, str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "stopped\n"), ended.stderr
