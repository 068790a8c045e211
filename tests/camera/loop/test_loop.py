from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeunet.camera.frame import Shot, Sink
from edgeunet.camera.loop.loop import Loop, LoopOptions
from edgeunet.camera.sinks.recorder import Recorder
from edgeunet.camera.sources.opening import open_source
from edgeunet.camera.sources.source import Source
from edgeunet.camera.statistics import LoopStats
from edgeunet.errors import GpuError, OutputError, SourceError, UsageError
from edgeunet.runtime import Result, Session, open_session
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from tests.camera.videos import SIZE, Collector, FakeCamera, eventually, number_of, numbered, write_numbered
from tests.models import write_toy_model

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


class HeldSession(OnnxRuntimeSession):
    """Works only when the test lets it: one release() for each frame."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.working = threading.Semaphore(0)
        self.let = threading.Semaphore(0)

    def result(self) -> Result:
        self.working.release()
        assert self.let.acquire(timeout=10)
        return super().result()


def loop_of(
    session: Session,
    source: Source,
    sinks: Sequence[AbstractContextManager[Sink]] = (),
    *,
    opacity: float = 0.0,
    max_frames: int | None = None,
) -> Loop:
    """A loop of one source."""
    return Loop(session, {"it": source}, sinks, LoopOptions(opacity, max_frames))


def finish(loop: Loop) -> LoopStats:
    return loop.finish()["it"]


def run(loop: Loop) -> LoopStats:
    loop.start()
    return finish(loop)


@pytest.mark.parametrize("in_flight", [1, 2, 3])
def test_file_is_processed_completely_and_in_order(tmp_path: Path, model: Path, in_flight: int) -> None:
    out = Collector()
    with open_session(model, in_flight=in_flight) as session:
        source = open_source(str(write_numbered(tmp_path / "n.mp4", 100)))
        stats = run(loop_of(session, source, [nullcontext(out)]))
    assert out.numbers == list(range(100))
    assert out.times_s == pytest.approx([n / 25 for n in range(100)])
    assert (stats.read, stats.published, stats.dropped) == (100, 100, 0)


def test_slow_sink_and_slow_session_lose_no_frame_of_a_file(tmp_path: Path, model: Path) -> None:
    out = Collector()
    session = HeldSession(model)
    with session:
        source = open_source(str(write_numbered(tmp_path / "n.mp4", 10)))
        loop = loop_of(session, source, [nullcontext(out)])
        loop.start()
        for _ in range(10):
            assert session.working.acquire(timeout=10)
            assert not loop.wait(0)
            session.let.release()
        stats = finish(loop)
    assert out.numbers == list(range(10))
    assert stats.dropped == 0


def test_of_a_live_source_the_newest_frame_is_used_and_the_others_are_counted(model: Path) -> None:
    camera, out = FakeCamera(), Collector()
    session = HeldSession(model)
    with session:
        loop = loop_of(session, camera, [nullcontext(out)])
        loop.start()
        camera.show(numbered(0))
        assert session.working.acquire(timeout=10)  # frame 0 is being worked on
        for number in range(1, 7):
            camera.show(numbered(number))
        camera.show(None)  # taken only when the reader has put frame 6 away
        session.let.release(2)
        stats = finish(loop)
    assert out.numbers == [0, 6]
    assert (stats.read, stats.published, stats.dropped) == (7, 2, 5)
    assert out.times_s[0] == 0.0
    assert out.times_s[1] > 0.0


def test_a_cameras_frame_does_not_wait_for_the_next_one(model: Path) -> None:
    """Also in a session that would take two."""
    camera, drawn = FakeCamera(), threading.Event()

    class Told(Collector):
        def write(self, shot: Shot) -> None:
            super().write(shot)
            drawn.set()

    with open_session(model, in_flight=2) as session:
        loop = loop_of(session, camera, [nullcontext(Told())])
        loop.start()
        camera.show(numbered(0))
        published = drawn.wait(10)  # no second frame has come
        camera.show(None)
        loop.finish()
    assert published


def test_drawn_frames_carry_the_mask_of_the_same_frame(tmp_path: Path, model: Path) -> None:
    camera, out = FakeCamera(), Collector()
    colors = [(200, 10, 10), (10, 200, 10), (10, 10, 200)]  # the toy model's road, car, sky
    session = HeldSession(model)
    with session:
        loop = loop_of(session, camera, [nullcontext(out)], opacity=1.0)
        loop.start()
        for color in colors:
            camera.show(np.full((*SIZE, 3), color, np.uint8))
            assert session.working.acquire(timeout=10)
            session.let.release()
        camera.show(None)
        loop.finish()
    drawn = [tuple(int(v) for v in shot.overlay[-1, -1]) for shot in out.shots]
    assert drawn == [(0, 0, 255), (0, 255, 0), (255, 0, 0)]


def test_every_stage_is_timed_and_latency_counts_from_capture(tmp_path: Path, model: Path) -> None:
    with open_session(model) as session:
        source = open_source(str(write_numbered(tmp_path / "n.mp4", 20)))
        stats = run(loop_of(session, source, [nullcontext(out := Collector())]))
    assert set(stats.stages) == {"read", "wait", "fit", "infer", "draw", "write"}
    assert all(quantiles.count == 20 and quantiles.total_ns > 0 for quantiles in (stats.age, *stats.stages.values()))
    for shot in out.shots:
        assert list(shot.stages_ns) == ["read", "wait", "fit", "infer", "draw"]
        assert shot.age_ns >= sum(shot.stages_ns[stage] for stage in ("wait", "fit", "infer"))
    assert stats.fps == pytest.approx(20 / stats.wall_s)


def test_without_a_sink_nothing_is_drawn(tmp_path: Path, model: Path) -> None:
    with open_session(model) as session:
        stats = run(loop_of(session, open_source(str(write_numbered(tmp_path / "n.mp4", 5)))))
    assert stats.published == 5
    assert "draw" not in stats.stages


@pytest.mark.parametrize("frames", [1, 7])
@pytest.mark.parametrize("in_flight", [1, 2])
def test_max_frames_ends_a_file_after_exactly_that_number(
    tmp_path: Path, model: Path, frames: int, in_flight: int
) -> None:
    out = Collector()
    with open_session(model, in_flight=in_flight) as session:
        source = open_source(str(write_numbered(tmp_path / "n.mp4", 20)))
        stats = run(loop_of(session, source, [nullcontext(out)], max_frames=frames))
    assert out.numbers == list(range(frames))
    assert (stats.read, stats.published) == (frames, frames)


def test_max_frames_ends_a_live_source_that_would_go_on(model: Path) -> None:
    camera = FakeCamera()
    session = HeldSession(model)
    with session:
        loop = loop_of(session, camera, max_frames=2)
        loop.start()
        for number in range(2):
            camera.show(numbered(number))
            assert session.working.acquire(timeout=10)
            session.let.release()
        assert loop.wait(10)
        camera.show(numbered(2))  # the reader waits for one more, and then sees that nobody wants it
        assert finish(loop).published == 2
    assert camera.closed.wait(10)


class BrokenError(RuntimeError):
    pass


class Fuse:
    """Burns through at the sixth call: by then the video has frames."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls > 5:
            raise BrokenError


class BrokenSession(OnnxRuntimeSession):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.fuse = Fuse()

    def result(self) -> Result:
        result = super().result()
        self.fuse()
        return result


class BrokenSink:
    def __init__(self) -> None:
        self.fuse = Fuse()

    def write(self, shot: Shot) -> None:
        self.fuse()


class BrokenCamera(FakeCamera):
    live = False

    def __init__(self) -> None:
        super().__init__()
        self.fuse = Fuse()

    def _grab(self) -> bool:
        self.fuse()
        self._pixels = numbered(self._number)
        return True


@pytest.mark.parametrize("part", ["source", "session", "sink"])
def test_error_in_any_thread_ends_the_loop_and_is_raised_here(tmp_path: Path, model: Path, part: str) -> None:
    file = str(write_numbered(tmp_path / "n.mp4", 20))
    source = BrokenCamera() if part == "source" else open_source(file)
    video = tmp_path / "out.mp4"
    sinks: list[AbstractContextManager[Sink]] = [Recorder(video, 25.0, force=False)]
    if part == "sink":
        sinks.append(nullcontext(BrokenSink()))
    with BrokenSession(model) if part == "session" else open_session(model) as session:
        loop = loop_of(session, source, sinks)
        loop.start()
        with pytest.raises(BrokenError):
            loop.finish()
    with open_source(str(video)) as recorded:  # what was written until then stays
        assert recorded.read() is not None


def test_camera_that_breaks_off_is_an_error_but_the_video_until_then_stays(tmp_path: Path, model: Path) -> None:
    camera, video = FakeCamera(), tmp_path / "out.mp4"
    with open_session(model) as session:
        loop = loop_of(session, camera, [Recorder(video, 25.0, force=False)])
        loop.start()
        camera.show(numbered(0))
        camera.show(SourceError("the cable was pulled"))
        with pytest.raises(SourceError, match="the cable was pulled"):
            loop.finish()
    with open_source(str(video)) as source:
        assert len(list(iter(source.read, None))) == 1


def test_camera_that_hangs_does_not_hold_up_the_end(model: Path) -> None:
    camera = FakeCamera()
    with open_session(model) as session:
        loop = loop_of(session, camera)
        loop.start()
        camera.hang()
        loop.stop()
        assert finish(loop).read == 0
    assert not camera.closed.is_set()  # the reader still waits for a frame
    camera.wake()
    assert camera.closed.wait(10)


def test_stop_keeps_the_video(tmp_path: Path, model: Path) -> None:
    camera, video = FakeCamera(), tmp_path / "out.mp4"
    session = HeldSession(model)
    with session:
        loop = loop_of(session, camera, [Recorder(video, 25.0, force=False)])
        loop.start()
        for number in range(3):
            camera.show(numbered(number))
            assert session.working.acquire(timeout=10)
            if number < 2:
                session.let.release()
        loop.stop()
        session.let.release()
        camera.show(None)
        stats = finish(loop)
    with open_source(str(video)) as source:
        assert len(list(iter(source.read, None))) == stats.published == 3
    assert [p.name for p in tmp_path.glob("*out*")] == ["out.mp4"]


def test_several_sources_are_served_in_turn_each_with_its_own_figures(model: Path) -> None:
    cameras, out, order = {"a": FakeCamera(), "b": FakeCamera(), "c": FakeCamera()}, Collector(), list[int]()
    session = HeldSession(model)
    with session:
        loop = Loop(
            session,
            cameras,
            [nullcontext(out)],
            LoopOptions(0.0),
            observe=lambda frame, now_ns: order.append(number_of(frame.pixels)),
        )
        loop.start()
        cameras["a"].show(numbered(0))
        assert session.working.acquire(timeout=10)  # a's first frame is being worked on; now all have more
        for number in range(1, 4):
            for place, camera in enumerate(cameras.values()):
                camera.show(numbered(10 * place + number))
        for camera in cameras.values():
            camera.show(None)  # taken only when the reader has put the last frame away
        session.let.release(4)
        stats = loop.finish()
    assert (order[0], sorted(order[1:3]), order[3]) == (0, [13, 23], 3)  # a was served last
    assert {name: [number_of(s.overlay) for s in out.shots if s.source == name] for name in cameras} == {
        "a": [0, 3],
        "b": [13],
        "c": [23],
    }
    assert {n: (s.read, s.published, s.dropped) for n, s in stats.items()} == {
        "a": (4, 2, 2),
        "b": (3, 1, 2),
        "c": (3, 1, 2),
    }
    assert [shot.dropped for shot in out.shots] == [2, 2, 2, 2]


def test_one_camera_that_breaks_off_does_not_touch_the_others(model: Path) -> None:
    broken, whole, out, notes = FakeCamera(), FakeCamera(), Collector(), list[str]()
    with open_session(model) as session:
        sources = {"broken": broken, "whole": whole}
        loop = Loop(session, sources, [nullcontext(out)], LoopOptions(0.0), notify=notes.append)
        loop.start()
        broken.show(SourceError("the cable was pulled"))
        assert broken.closed.wait(10)
        for number in range(3):
            whole.show(numbered(number))
        whole.show(None)
        assert loop.wait(10)
        with pytest.raises(SourceError, match="the cable was pulled"):
            loop.finish()
    assert out.numbers[-1] == 2
    assert {shot.source for shot in out.shots} == {"whole"}
    assert notes == ["the cable was pulled; the other sources continue"]


def test_files_of_different_length_are_all_processed_completely(tmp_path: Path, model: Path) -> None:
    out = Collector()
    with open_session(model, in_flight=2) as session:
        files = {str(n): open_source(str(write_numbered(tmp_path / f"{n}.mp4", n))) for n in (3, 12)}
        loop = Loop(session, files, [nullcontext(out)], LoopOptions(0.0))
        loop.start()
        stats = loop.finish()
    for name, count in (("3", 3), ("12", 12)):
        assert [number_of(shot.overlay) for shot in out.shots if shot.source == name] == list(range(count))
        assert (stats[name].published, stats[name].total) == (count, count)


class FlakySession(OnnxRuntimeSession):
    """Raises for these calls of result(), counted from 0."""

    def __init__(self, path: Path, *bad: int) -> None:
        super().__init__(path)
        self.bad = bad
        self.calls = 0

    def result(self) -> Result:
        result = super().result()
        self.calls += 1
        if self.calls - 1 in self.bad:
            raise RuntimeError("the GPU\n coughed")
        return result


def test_inference_that_raises_once_costs_one_frame_and_a_note(tmp_path: Path, model: Path) -> None:
    out, notes = Collector(), list[str]()
    with FlakySession(model, 2, 4, 5, 6, 7) as session:  # at most four in a row
        source = open_source(str(write_numbered(tmp_path / "n.mp4", 10)))
        loop = Loop(session, {"it": source}, [nullcontext(out)], LoopOptions(0.0), notify=notes.append)
        stats = run(loop)
    assert out.numbers == [0, 1, 3, 8, 9]
    assert (stats.read, stats.published, stats.failed, stats.dropped) == (10, 5, 5, 0)
    assert notes[0] == "inference of frame 2 of it failed, the frame is skipped: the GPU coughed"


def test_inference_that_keeps_raising_ends_the_loop(tmp_path: Path, model: Path) -> None:
    with FlakySession(model, *range(3, 20)) as session:
        loop = loop_of(session, open_source(str(write_numbered(tmp_path / "n.mp4", 20))))
        loop.start()
        with pytest.raises(RuntimeError, match="coughed"):
            loop.finish()
    assert session.calls == 3 + 5


class LostSession(OnnxRuntimeSession):
    """As a session on a GPU that is lost: the first frame says so, and later ones that the session is closed."""

    def result(self) -> Result:
        super().result()
        self.close()
        raise GpuError("the GPU failed: end this process")


def test_a_loop_ends_with_the_reason_of_the_first_failure(tmp_path: Path, model: Path) -> None:
    notes = list[str]()
    source = open_source(str(write_numbered(tmp_path / "n.mp4", 10)))
    loop = Loop(LostSession(model), {"it": source}, (), LoopOptions(0.0), notify=notes.append)
    loop.start()
    with pytest.raises(GpuError, match="the GPU failed: end this process"):
        loop.finish()
    assert [note.rpartition("skipped: ")[2] for note in notes] == [
        "the GPU failed: end this process",
        *["the session is closed: open it again"] * 3,
    ]


class FullDisk(Collector):
    """Takes two frames and is left once."""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[BaseException | None] = []

    def write(self, shot: Shot) -> None:
        if len(self.shots) == 2:
            raise OutputError("the disk is full")
        super().write(shot)

    def __enter__(self) -> FullDisk:
        return self

    def __exit__(self, kind: object, value: BaseException | None, trace: object) -> None:
        self.left.append(value)


def test_a_sink_that_fails_is_left_and_the_others_go_on(tmp_path: Path, model: Path) -> None:
    full, whole, notes = FullDisk(), Collector(), list[str]()
    with open_session(model) as session:
        source = open_source(str(write_numbered(tmp_path / "n.mp4", 10)))
        loop = Loop(session, {"it": source}, [full, nullcontext(whole)], LoopOptions(0.0), notify=notes.append)
        loop.start()
        with pytest.raises(OutputError, match="the disk is full"):
            loop.finish()
    assert whole.numbers == list(range(10))
    assert notes == ["the disk is full; the other outputs continue"]
    assert [str(error) for error in full.left] == ["the disk is full"]


def test_the_loop_ends_once_no_sink_is_left(model: Path) -> None:
    camera, full = FakeCamera(), FullDisk()
    with HeldSession(model) as session:
        loop = loop_of(session, camera, [full])
        loop.start()
        for number in range(3):
            camera.show(numbered(number))
            assert session.working.acquire(timeout=10)
            session.let.release()
        assert loop.wait(10)
        camera.show(None)
        with pytest.raises(OutputError):
            loop.finish()
    assert len(full.left) == 1


def test_hanging_inference_is_known_and_does_not_delay_the_end(tmp_path: Path, model: Path) -> None:
    camera, video = FakeCamera(), tmp_path / "out.mp4"
    session = HeldSession(model)
    loop = loop_of(session, camera, [Recorder(video, 25.0, force=False)])
    assert loop.watchdog.longest() is None
    loop.start()
    camera.show(numbered(0))
    assert session.working.acquire(timeout=10)
    session.let.release()
    camera.show(numbered(1))
    assert session.working.acquire(timeout=10)  # and hangs

    def title() -> str | None:
        activity = loop.watchdog.longest()
        return activity and activity.title

    eventually(lambda: title() == "inference of frame 1 of it")  # frame 0 is written
    loop.stop()
    camera.show(None)
    stats = loop.finish(patience_s=0.1)["it"]
    assert loop.is_stuck()
    assert stats.published == 1
    with open_source(str(video)) as source:
        assert source.read() is not None
        assert source.read() is None
    session.let.release()
    loop.finish()
    session.close()


def test_another_model_takes_over_between_two_frames(tmp_path: Path, model: Path) -> None:
    """The same network with its classes in another order: the colours change from one frame to the next."""
    camera, out = FakeCamera(), Collector()
    old = HeldSession(model)
    new = open_session(write_toy_model(tmp_path / "new.onnx", order=(1, 2, 0)))
    loop = loop_of(old, camera, [nullcontext(out)], opacity=1.0)
    loop.start()
    camera.show(np.full((*SIZE, 3), (200, 10, 10), np.uint8))
    assert old.working.acquire(timeout=10)
    loop.switch(new)  # while the old one is at work
    old.let.release()
    camera.show(np.full((*SIZE, 3), (200, 10, 10), np.uint8))
    camera.show(None)
    finish(loop)
    assert loop.session is new
    new.close()
    assert [tuple(int(v) for v in shot.overlay[-1, -1]) for shot in out.shots] == [(0, 0, 255), (255, 0, 0)]
    with pytest.raises(UsageError, match="closed"):
        old.run(numbered(0))


def test_cameras_share_one_inference_where_the_model_allows(tmp_path: Path) -> None:
    cameras, out = {"a": FakeCamera(), "b": FakeCamera()}, Collector()
    calls: list[int] = []

    class Batched(HeldSession):
        def __init__(self) -> None:
            OnnxRuntimeSession.__init__(self, write_toy_model(tmp_path / "n.onnx", batch="N"), batch=2)
            self.working, self.let = threading.Semaphore(0), threading.Semaphore(0)

        def _infer(self, slot: Any) -> int:
            calls.append(len(slot.arrays["frame"]))
            return super()._infer(slot)

    with Batched() as session:
        loop = Loop(session, cameras, [nullcontext(out)], LoopOptions(0.0, batch=2))
        loop.start()
        cameras["a"].show(numbered(0))
        assert session.working.acquire(timeout=10)  # alone: it does not wait for the other camera
        for camera in cameras.values():
            camera.show(numbered(1))
            camera.show(None)
        session.let.release(3)
        stats = loop.finish()
    assert calls == [1, 2]
    assert sorted((shot.source, number) for shot, number in zip(out.shots, out.numbers, strict=True)) == [
        ("a", 0),
        ("a", 1),
        ("b", 1),
    ]
    assert {name: s.dropped for name, s in stats.items()} == {"a": 0, "b": 0}


def test_a_model_that_came_too_late_is_closed(tmp_path: Path, model: Path) -> None:
    with open_session(model) as session:
        loop = loop_of(session, open_source(str(write_numbered(tmp_path / "n.mp4", 3))))
        run(loop)
        late = open_session(model)
        loop.switch(late)
        finish(loop)
    with pytest.raises(UsageError, match="closed"):
        late.run(numbered(0))


def test_a_sink_that_hangs_does_not_keep_a_stopped_loop(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let, writing = threading.Event(), threading.Event()

    class Hanging(Collector):
        def write(self, shot: Shot) -> None:
            writing.set()
            assert let.wait(20)

    monkeypatch.setattr("edgeunet.camera.loop.loop.WRITING_S", 0.1)
    camera = FakeCamera()
    with open_session(model) as session:
        loop = loop_of(session, camera, [nullcontext(Hanging())])
        loop.start()
        camera.show(numbered(0))
        assert writing.wait(10)
        loop.stop()
        camera.show(None)
        with pytest.raises(OutputError, match=r"within 0\.1 s"):
            loop.finish(patience_s=1)
        let.set()
        loop.finish()
