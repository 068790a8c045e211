"""The open loop: latency counts from the schedule, and a late frame makes those behind it late."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edgeunet.imaging.letterbox import Letterbox
from edgeunet.imaging.pixels import Pixels
from edgeunet.latency.deadlines import deadlines
from edgeunet.latency.record import LatencyRecord
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from edgeunet_bench.measure import live_progress, loops
from edgeunet_bench.measure import measure_model as measuring
from edgeunet_bench.measure.calls import Calls
from edgeunet_bench.measure.input_frames import InputFrames
from edgeunet_bench.measure.live_progress import LiveProgress
from edgeunet_bench.measure.loops import open_loop, wait_until
from edgeunet_bench.measure.measure_model import measure
from edgeunet_bench.measure.measure_options import MeasureOptions
from tests.models import opened

STALL_MS = 200.0


class StallingSession(OnnxRuntimeSession):
    """Takes long for one frame: the fifth call."""

    calls = 0

    def _submit(self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]) -> None:
        super()._submit(frames, letterboxes)
        self.calls += 1
        if self.calls == 5:
            time.sleep(STALL_MS / 1000)


@pytest.fixture
def stalled(model: Path, inputs: InputFrames, monkeypatch: pytest.MonkeyPatch) -> LatencyRecord:
    monkeypatch.setattr(measuring, "warm_up", lambda *_: (3, True))
    with opened(StallingSession, model, threads=1) as session:
        return measure(session, inputs, MeasureOptions("paced", seconds=30, fps=20, max_frames=12))


def test_starts_are_those_of_the_schedule(stalled: LatencyRecord) -> None:
    assert (stalled.mode, stalled.period_ms, stalled.deadline_ms) == ("paced", 50.0, 50.0)
    assert stalled.starts_ms.tolist() == [i * 50.0 for i in range(12)]
    assert stalled.stages == ("wait", "fit", "infer")
    parts = np.sum([stalled.samples_ms[stage] for stage in stalled.stages], axis=0)
    assert (stalled.samples_ms["total"] >= parts).all()


def test_frames_behind_a_late_one_pay_for_their_wait(stalled: LatencyRecord) -> None:
    total = stalled.samples_ms["total"]
    assert total[4] >= STALL_MS
    waits = stalled.samples_ms["wait"]
    for number, behind in ((5, 150), (6, 100), (7, 50)):
        assert waits[number] >= behind
        assert total[number] >= waits[number]
    found = deadlines(stalled)
    assert found is not None
    assert found.longest_streak >= 4  # a closed loop would have counted one


def test_a_soak_may_have_a_schedule_and_another_deadline(model: Path, inputs: InputFrames) -> None:
    options = MeasureOptions("soak", seconds=0.5, fps=10, deadline_ms=70.0)
    with opened(OnnxRuntimeSession, model) as session:
        record = measure(session, inputs, options)
    assert (record.mode, record.period_ms, record.deadline_ms) == ("soak", 100.0, 70.0)
    assert record.starts_ms.tolist() == [0.0, 100.0, 200.0, 300.0, 400.0]


def test_a_time_is_never_reached_early() -> None:
    for ahead_ns in (-1_000_000, 100_000, 3_000_000):
        due = time.perf_counter_ns() + ahead_ns
        wait_until(due)
        assert time.perf_counter_ns() >= due


def test_without_time_to_draw_the_progress_is_drawn_when_it_is_overdue(
    model: Path, inputs: InputFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    monkeypatch.setattr(loops, "SLACK_NS", 10**18)
    monkeypatch.setattr(live_progress, "OVERDUE_NS", 0)
    monkeypatch.setattr(LiveProgress, "show", lambda _, done, note: notes.append(note))
    with opened(OnnxRuntimeSession, model) as session:
        open_loop(session, inputs.frames, MeasureOptions("paced", fps=20, max_frames=3), Calls(), LiveProgress("", 1))
    assert [note.split(",")[0] for note in notes] == ["1 frames", "2 frames", "3 frames"]
