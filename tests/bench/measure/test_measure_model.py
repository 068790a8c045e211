"""Measuring a real session: every call kept, stages beside the total, and Ctrl-C keeps what there is."""

from __future__ import annotations

import platform
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from edgeunet.board.sensors.telemetry import Sampler
from edgeunet.errors import UsageError
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.imaging.pixels import Pixels
from edgeunet.latency.energy import energy
from edgeunet.latency.record import LatencyRecord
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from edgeunet.utils.files import sha256
from edgeunet_bench.measure import loops, surroundings
from edgeunet_bench.measure import measure_model as measuring
from edgeunet_bench.measure.input_frames import InputFrames
from edgeunet_bench.measure.loops import timed_call, warm_up
from edgeunet_bench.measure.measure_model import measure
from edgeunet_bench.measure.measure_options import MeasureOptions
from tests.board.sensor_trees import ORIN_NANO, write_tree
from tests.models import opened


class InterruptedSession(OnnxRuntimeSession):
    """Gets Ctrl-C in the middle of one call."""

    calls_left = -1

    def _submit(self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]) -> None:
        super()._submit(frames, letterboxes)
        self.calls_left -= 1
        if self.calls_left == 0:
            signal.raise_signal(signal.SIGINT)


def test_a_record_says_what_ran_and_keeps_every_call(model: Path, inputs: InputFrames, tmp_path: Path) -> None:
    with opened(OnnxRuntimeSession, model, threads=1) as session:
        record = measure(session, inputs, MeasureOptions(seconds=30, max_frames=40))
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
    assert (record.mode, record.period_ms, record.deadline_ms) == ("single", None, None)
    parts = record.samples_ms["fit"] + record.samples_ms["infer"]
    assert (record.samples_ms["total"] >= parts).all()  # measured by itself, around the whole call
    ends = record.starts_ms + record.samples_ms["total"]
    assert (record.starts_ms[1:] >= ends[:-1]).all()  # one frame after another
    record.save(tmp_path / "record.json", force=False)
    assert LatencyRecord.load(tmp_path / "record.json").to_dict() == record.to_dict()


def test_the_time_ends_it_too(model: Path, inputs: InputFrames) -> None:
    with opened(OnnxRuntimeSession, model) as session:
        record = measure(session, inputs, MeasureOptions(seconds=0.2))
    assert 0 < record.starts_ms[-1] < 200


@pytest.mark.parametrize("whole_calls", [0, 4])
def test_ctrl_c_keeps_the_whole_calls_and_marks_the_record(
    model: Path, inputs: InputFrames, monkeypatch: pytest.MonkeyPatch, whole_calls: int
) -> None:
    monkeypatch.setattr(measuring, "warm_up", lambda *_: (3, True))
    session = opened(InterruptedSession, model)
    session.calls_left = whole_calls + 1
    with session:
        if whole_calls:
            record = measure(session, inputs, MeasureOptions(seconds=60, max_frames=50))
            assert record.partial
            assert record.summary().n == whole_calls
        else:
            with pytest.raises(KeyboardInterrupt):  # nothing to keep
                measure(session, inputs, MeasureOptions(seconds=60, max_frames=50))


def test_warming_up_ends_when_the_time_has_settled(
    model: Path, inputs: InputFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "WINDOW_S", 0.001)
    with opened(OnnxRuntimeSession, model) as session:
        monkeypatch.setattr(loops, "SETTLED", 1000.0)
        calls, settled = warm_up(session, inputs.frames, 60)
        assert settled
        assert calls >= 3 * loops.WINDOW_CALLS
        monkeypatch.setattr(loops, "SETTLED", 0.0)  # never
        assert not warm_up(session, inputs.frames, 0.05)[1]


def test_a_call_has_the_times_of_its_stages(model: Path, inputs: InputFrames) -> None:
    with opened(OnnxRuntimeSession, model) as session:
        call = timed_call(session, inputs.frames[0])
    assert set(call.stages) == {"fit", "infer"}
    assert call.total >= sum(call.stages.values()) > 0


@pytest.mark.skipif(sys.platform != "linux", reason="telemetry comes from Linux's files")
def test_the_machine_is_sampled_before_and_beside_the_frames(model: Path, inputs: InputFrames) -> None:
    with opened(OnnxRuntimeSession, model) as session:
        record = measure(session, inputs, MeasureOptions(seconds=1.0))
    assert record.telemetry is not None
    times = record.telemetry.times_ms
    assert ((times > 0) & (times < record.starts_ms[-1])).sum() >= 3
    assert times[0] < 0  # during the warm-up


@pytest.mark.skipif(sys.platform != "linux", reason="telemetry comes from Linux's files")
def test_a_board_with_power_rails_is_left_at_rest_first(
    model: Path, inputs: InputFrames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made files of a board stand in for its sensors; they never change, so that nothing is above the idle power."""
    monkeypatch.setattr(measuring, "Sampler", partial(Sampler, root=write_tree(tmp_path, ORIN_NANO), hz=50.0))
    monkeypatch.setattr(surroundings, "REST_S", 0.3)
    with opened(OnnxRuntimeSession, model) as session:
        record = measure(session, inputs, MeasureOptions(seconds=0.5))
    assert record.telemetry is not None
    assert record.telemetry.idle_mw is not None
    assert record.telemetry.times_ms[0] < -300
    found = energy(record)
    assert found
    gross, idle, net = found.gross_mj, found.idle_mj, found.net_mj
    assert gross is not None
    assert gross > 0
    assert idle == pytest.approx(gross)
    assert net == pytest.approx(0, abs=1e-6)


def test_a_soak_without_a_schedule_is_a_closed_loop(model: Path, inputs: InputFrames) -> None:
    with opened(OnnxRuntimeSession, model) as session:
        record = measure(session, inputs, MeasureOptions("soak", seconds=0.3, deadline_ms=50.0))
    assert (record.mode, record.period_ms, record.deadline_ms) == ("soak", None, 50.0)
    assert "wait" not in record.stages


def test_more_samples_than_a_record_holds_are_refused_before_the_work(model: Path, inputs: InputFrames) -> None:
    with opened(OnnxRuntimeSession, model) as session:
        for options in (MeasureOptions("soak", seconds=3e7), MeasureOptions("paced", seconds=1e6, fps=30)):
            with pytest.raises(UsageError, match="a record holds 1000000: give less time"):
                measure(session, inputs, options)
        few = measure(session, inputs, MeasureOptions("paced", seconds=1e6, fps=500, max_frames=3))
    assert few.summary().n == 3
