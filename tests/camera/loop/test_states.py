"""What the loop says about the state of each source."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

from edgeunet.camera.loop.loop import Loop, LoopOptions
from edgeunet.camera.sources.opening import open_source
from edgeunet.camera.state.mask_state import GOOD_MASKS, MaskState, StateReport
from edgeunet.camera.state.picture_check import SAME_FRAMES
from edgeunet.camera.state.tracker import DEADLINE_NS
from edgeunet.errors import OutputError, SourceError
from edgeunet.runtime import open_session
from tests.camera.videos import Collector, FakeCamera, eventually, numbered, write_numbered

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


class StateCollector(Collector):
    """Keeps what is said of silent sources too."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[StateReport] = []

    def write_states(self, reports: Sequence[StateReport]) -> None:
        self.reports.extend(reports)

    def states(self) -> list[str]:
        return [str(shot.state.state) for shot in self.shots]


def test_each_mask_has_its_state(model: Path) -> None:
    camera, out = FakeCamera(), StateCollector()
    with open_session(model) as session:
        loop = Loop(session, {"it": camera}, [nullcontext(out)], LoopOptions(deadline_ms=10_000))
        loop.start()
        for number in range(GOOD_MASKS + 2):
            camera.show(numbered(number))
            eventually(partial(lambda done: len(out.shots) == done, number + 1))
        camera.show(None)
        stats = loop.finish()["it"]
    assert out.states() == ["none"] * (GOOD_MASKS - 1) + ["unknown"] * 3
    assert stats.state.counts == {MaskState.UNKNOWN: 3}


def test_a_mask_after_the_deadline_is_late(tmp_path: Path, model: Path) -> None:
    out = StateCollector()
    with open_session(model) as session:
        source = open_source(str(write_numbered(tmp_path / "n.mp4", 3)))
        loop = Loop(session, {"it": source}, [nullcontext(out)], LoopOptions(deadline_ms=1e-3))
        loop.start()
        loop.finish()
    assert out.states() == ["late"] * 3
    assert "the deadline is 0.001 ms" in out.shots[0].state.reason
    assert out.reports == []  # a file is never silent


@pytest.mark.parametrize("live", [True, False])
def test_only_a_live_source_is_frozen_by_repeated_frames(model: Path, *, live: bool) -> None:
    camera, out, repeats = FakeCamera(), StateCollector(), SAME_FRAMES + GOOD_MASKS
    camera.live = live
    with open_session(model) as session:
        loop = Loop(session, {"it": camera}, [nullcontext(out)], LoopOptions(deadline_ms=10_000))
        loop.start()
        for shown in range(repeats):
            camera.show(numbered(7))
            eventually(partial(lambda done: len(out.shots) == done, shown + 1))
        camera.show(None)
        loop.finish()
    assert out.states()[-1] == ("frozen" if live else "unknown")
    assert ("frozen" in out.states()) is live


def test_a_camera_that_says_nothing_does_not_end_the_news(model: Path) -> None:
    """Also next to another one that goes on, before its first frame, and with a sink that takes no states."""
    silent, busy, out, plain = FakeCamera(), FakeCamera(), StateCollector(), Collector()
    with open_session(model) as session:
        loop = Loop(session, {"silent": silent, "busy": busy}, [nullcontext(plain), nullcontext(out)])
        loop.start()
        silent.hang()

        def said() -> list[StateReport]:
            busy.show(numbered(1))
            return [r for r in out.reports if r.source == "silent" and r.finding.state is MaskState.NONE]

        eventually(lambda: len(said()) >= 5)
        stats = loop.stats()["silent"].state
        silent.wake()
        busy.show(None)
        loop.finish()
    assert all(report.age_ns is None for report in said_by(out, "silent"))
    assert stats.finding.state is MaskState.NONE
    assert stats.counts[MaskState.NONE] >= 5
    assert {shot.source for shot in plain.shots} == {"busy"}


def said_by(out: StateCollector, source: str) -> list[StateReport]:
    return [report for report in out.reports if report.source == source]


def test_a_camera_that_breaks_off_is_missing_while_the_others_go_on(model: Path) -> None:
    broken, busy, out = FakeCamera(), FakeCamera(), StateCollector()
    with open_session(model) as session:
        loop = Loop(session, {"broken": broken, "busy": busy}, [nullcontext(out)])
        loop.start()
        broken.show(numbered(0))
        broken.show(SourceError("the cable is out"))
        eventually(lambda: any(report.age_ns for report in said_by(out, "broken")))
        busy.show(None)
        with pytest.raises(SourceError, match="the cable is out"):
            loop.finish()
    ages = [report.age_ns for report in said_by(out, "broken") if report.age_ns]
    assert ages[0] >= DEADLINE_NS * 9 // 10


def test_a_sink_that_fails_with_a_state_is_closed_and_the_loop_ends_with_the_last_one(model: Path) -> None:
    class Full(Collector):
        def write_states(self, reports: Sequence[StateReport]) -> None:
            raise OutputError("the disk is full")

    camera = FakeCamera()
    with open_session(model) as session:
        loop = Loop(session, {"it": camera}, [nullcontext(Full())])
        loop.start()
        camera.hang()
        assert loop.wait(10)
        camera.wake()
        with pytest.raises(OutputError, match="the disk is full"):
            loop.finish()


def test_without_a_sink_silence_is_counted_too(model: Path) -> None:
    camera = FakeCamera()
    with open_session(model) as session:
        loop = Loop(session, {"it": camera})
        loop.start()
        camera.hang()
        eventually(lambda: loop.stats()["it"].state.counts.get(MaskState.NONE, 0) >= 3)
        camera.wake()
        loop.finish()
