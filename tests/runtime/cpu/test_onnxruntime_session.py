from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgeunet.errors import MissingDependencyError, ModelFileError
from edgeunet.runtime import Session, open_session
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from tests.models import toy_mask, toy_spec, write_toy_model
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


class TestBatch(SessionContract):
    in_flight = 1

    def open(self, folder: Path) -> Session:
        model = write_toy_model(folder / "m.onnx", toy_spec(SIZE), batch="N")
        return open_session(model, backend="onnxruntime", batch=3, in_flight=self.in_flight)


class TestTwoBatchesInFlight(TestBatch):
    in_flight = 2


def test_a_list_runs_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    infer = OnnxRuntimeSession._infer

    def counted(self: OnnxRuntimeSession, slot: Any) -> int:
        calls.append(len(slot.arrays["frame"]))
        return infer(self, slot)

    monkeypatch.setattr(OnnxRuntimeSession, "_infer", counted)
    with open_session(
        write_toy_model(tmp_path / "m.onnx", toy_spec(SIZE), batch="N"), backend="onnxruntime", batch=3
    ) as session:
        assert (session.max_batch, session.capacity) == (3, 1)
        for count in (3, 1, 2):
            for k, result in enumerate(session.run([frame_of(k) for k in range(count)])):
                assert np.array_equal(result.mask, toy_mask(frame_of(k)))
    assert calls == [3, 1, 2]


def test_a_batch_that_fails_fails_for_each_of_its_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: OnnxRuntimeSession, slot: object) -> int:
        raise RuntimeError("no memory")

    with open_session(
        write_toy_model(tmp_path / "m.onnx", toy_spec(SIZE), batch="N"), backend="onnxruntime", batch=2
    ) as session:
        with monkeypatch.context() as patch:
            patch.setattr(OnnxRuntimeSession, "_infer", broken)
            session.submit([frame_of(0), frame_of(1)])
            for _ in range(2):
                with pytest.raises(RuntimeError, match="no memory"):
                    session.result()
        assert np.array_equal(session.run(frame_of(2)).mask, toy_mask(frame_of(2)))


def test_a_model_of_fixed_batch_takes_one_frame_at_a_time(tmp_path: Path) -> None:
    with open_session(write_toy_model(tmp_path / "m.onnx"), backend="onnxruntime", batch=3) as session:
        assert (session.max_batch, session.capacity) == (1, 1)


def test_input_and_output_stay_in_the_same_buffers(tmp_path: Path) -> None:
    with OnnxRuntimeSession(write_toy_model(tmp_path / "m.onnx")) as session:
        slot = session._free[0].bound(1)
        before = slot.arrays["frame"].ctypes.data, slot.arrays["mask"].ctypes.data
        for k in range(3):
            mask = session.run(frame_of(k)).mask
            assert np.array_equal(slot.arrays["mask"][0], mask), "the model writes where it is bound to"
        assert (slot.arrays["frame"].ctypes.data, slot.arrays["mask"].ctypes.data) == before
        assert session._free[0].bound(1) is slot


def test_a_file_of_another_contract_is_refused(tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "m.onnx")
    model = onnx.load(path)
    model.graph.output[0].name = model.graph.node[-1].output[0] = "classes"
    onnx.save(model, path)
    with pytest.raises(ModelFileError, match=r"frame uint8 .*, classes uint8"):
        open_session(path, backend="onnxruntime")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(ModelFileError, match="is empty: copy it again"):
        open_session(tmp_path / "empty.onnx", backend="onnxruntime")


def test_without_onnxruntime_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match="pip install onnxruntime"):
        open_session(write_toy_model(tmp_path / "m.onnx"), backend="onnxruntime")
