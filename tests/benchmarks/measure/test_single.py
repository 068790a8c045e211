"""Measuring a real session: every call kept, stages beside the total, and Ctrl-C keeps what there is."""

from __future__ import annotations

import platform
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.measure import single as measuring
from benchmarks.measure.inputs import Inputs, load_inputs
from benchmarks.measure.single import MeasureOptions, measure, timed_call, warm_up
from edgeunet.errors import DatasetError, SourceError, UsageError
from edgeunet.files import sha256
from edgeunet.frames import Fitting, UInt8
from edgeunet.record import LatencyRecord
from edgeunet.runtime.ort import OnnxRuntimeSession
from edgeunet.samples import CLIP, DATASET
from tests.models import toy_spec, write_toy_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_model(tmp_path_factory.mktemp("models") / "toy.onnx", toy_spec((96, 128)))


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return load_inputs(None)


class InterruptedSession(OnnxRuntimeSession):
    """Gets Ctrl-C in the middle of one call."""

    calls_left = -1

    def _submit(self, frame: UInt8, fitting: Fitting) -> None:
        super()._submit(frame, fitting)
        self.calls_left -= 1
        if self.calls_left == 0:
            signal.raise_signal(signal.SIGINT)


def test_a_record_says_what_ran_and_keeps_every_call(model: Path, inputs: Inputs, tmp_path: Path) -> None:
    with OnnxRuntimeSession(model, threads=1) as session:
        record = measure(session, model, inputs, MeasureOptions(seconds=30, max_frames=40))
    assert record.summary().n == 40
    assert record.stages == ("fit", "infer")
    assert record.subject.model == "toy.onnx"
    assert record.subject.model_sha256 == sha256(model)
    assert record.subject.size_bytes == model.stat().st_size
    assert record.subject.input_size == (96, 128)
    assert record.machine["threads"] == "1"
    assert record.machine["python"] == platform.python_version()
    assert record.frames == "road, 2 frames of 582x437"
    assert record.warmup_frames > 0
    assert not record.partial
    parts = record.samples_ms["fit"] + record.samples_ms["infer"]
    assert (record.samples_ms["total"] >= parts).all()  # measured by itself, around the whole call
    ends = record.starts_ms + record.samples_ms["total"]
    assert (record.starts_ms[1:] >= ends[:-1]).all()  # one frame after another
    record.save(tmp_path / "record.json", force=False)
    assert LatencyRecord.load(tmp_path / "record.json").to_dict() == record.to_dict()


def test_the_time_ends_it_too(model: Path, inputs: Inputs) -> None:
    with OnnxRuntimeSession(model) as session:
        record = measure(session, model, inputs, MeasureOptions(seconds=0.2))
    assert 0 < record.starts_ms[-1] < 200


@pytest.mark.parametrize("whole_calls", [0, 4])
def test_ctrl_c_keeps_the_whole_calls_and_marks_the_record(
    model: Path, inputs: Inputs, monkeypatch: pytest.MonkeyPatch, whole_calls: int
) -> None:
    monkeypatch.setattr(measuring, "warm_up", lambda *_: (3, True))
    session = InterruptedSession(model)
    session.calls_left = whole_calls + 1
    with session:
        if whole_calls:
            record = measure(session, model, inputs, MeasureOptions(seconds=60))
            assert record.partial
            assert record.summary().n == whole_calls
        else:
            with pytest.raises(KeyboardInterrupt):  # nothing to keep
                measure(session, model, inputs, MeasureOptions(seconds=60))


def test_warming_up_ends_when_the_time_has_settled(
    model: Path, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "WINDOW_S", 0.001)
    with OnnxRuntimeSession(model) as session:
        monkeypatch.setattr(measuring, "SETTLED", 1000.0)
        calls, settled = warm_up(session, inputs.frames, 60)
        assert settled
        assert calls >= 3 * measuring.WINDOW_CALLS
        monkeypatch.setattr(measuring, "SETTLED", 0.0)  # never
        assert not warm_up(session, inputs.frames, 0.05)[1]


def test_a_call_has_the_times_of_its_stages(model: Path, inputs: Inputs) -> None:
    with OnnxRuntimeSession(model) as session:
        call = timed_call(session, inputs.frames[0])
    assert set(call.stages) == {"fit", "infer"}
    assert call.total >= sum(call.stages.values()) > 0


@pytest.mark.parametrize("options", [{"seconds": 0}, {"seconds": -1}, {"max_frames": 0}])
def test_senseless_options_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="got"):
        MeasureOptions(**options)


def test_frames_come_from_a_dataset_or_a_video(inputs: Inputs) -> None:
    assert [frame.shape for frame in inputs.frames] == [(437, 582, 3)] * 2
    video = load_inputs(CLIP)
    assert video.name == "highway.mp4, 16 frames of 960x540"
    reader = cv2.VideoCapture(str(CLIP))
    assert np.array_equal(video.frames[0], np.asarray(reader.read()[1]))
    reader.release()


def test_nothing_to_show_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such dataset folder or video"):
        load_inputs(tmp_path / "nothing")
    with pytest.raises(DatasetError, match="is empty"):
        load_inputs(tmp_path)
    broken = tmp_path / "images" / "val"
    broken.mkdir(parents=True)
    (tmp_path / "classes.json").write_text((DATASET / "classes.json").read_text())
    with pytest.raises(DatasetError, match="has no images"):
        load_inputs(tmp_path)
    (broken / "a.jpg").write_bytes(b"")
    with pytest.raises(SourceError, match=r"a\.jpg cannot be read"):
        load_inputs(tmp_path)
