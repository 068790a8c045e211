from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import pytest

from edgeunet.camera.loop import Loop, LoopStats, Sink
from edgeunet.camera.recorder import recording
from edgeunet.camera.sources import open_source
from edgeunet.errors import SourceError
from edgeunet.frames import UInt8
from edgeunet.runtime import Result, open_session
from edgeunet.runtime.ort import OnnxRuntimeSession
from tests.camera.videos import SIZE, Collector, FakeCamera, numbered, write_numbered
from tests.models import write_toy_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_toy_model(tmp_path / "toy.onnx")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("edgeunet-"):
            thread.join(10)
            assert not thread.is_alive()


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


def run(loop: Loop) -> LoopStats:
    loop.start()
    return loop.finish()


@pytest.mark.parametrize("in_flight", [1, 2, 3])
def test_file_is_processed_completely_and_in_order(tmp_path: Path, model: Path, in_flight: int) -> None:
    out = Collector()
    with open_session(model, in_flight=in_flight) as session:
        source = open_source(str(write_numbered(tmp_path / "n.mp4", 100)))
        stats = run(Loop(session, source, [nullcontext(out)], opacity=0.0))
    assert out.numbers == list(range(100))
    assert out.times_s == pytest.approx([n / 25 for n in range(100)])
    assert (stats.read, stats.published, stats.dropped) == (100, 100, 0)


def test_slow_sink_and_slow_session_lose_no_frame_of_a_file(tmp_path: Path, model: Path) -> None:
    out = Collector()
    session = HeldSession(model)
    with session:
        source = open_source(str(write_numbered(tmp_path / "n.mp4", 10)))
        loop = Loop(session, source, [nullcontext(out)], opacity=0.0)
        loop.start()
        for _ in range(10):
            assert session.working.acquire(timeout=10)
            assert not loop.wait(0)
            session.let.release()
        stats = loop.finish()
    assert out.numbers == list(range(10))
    assert stats.dropped == 0


def test_live_source_gives_the_newest_frame_and_counts_the_others(model: Path) -> None:
    camera, out = FakeCamera(), Collector()
    session = HeldSession(model)
    with session:
        loop = Loop(session, camera, [nullcontext(out)], opacity=0.0)
        loop.start()
        camera.show(numbered(0))
        assert session.working.acquire(timeout=10)  # frame 0 is being worked on
        for number in range(1, 7):
            camera.show(numbered(number))
        camera.show(None)  # taken only when the reader has put frame 6 away
        session.let.release(2)
        stats = loop.finish()
    assert out.numbers == [0, 6]
    assert (stats.read, stats.published, stats.dropped) == (7, 2, 5)
    assert out.times_s[0] == 0.0
    assert out.times_s[1] > 0.0


def test_a_cameras_frame_does_not_wait_for_the_next_one(model: Path) -> None:
    """Also in a session that would take two."""
    camera, drawn = FakeCamera(), threading.Event()

    class Told(Collector):
        def write(self, pixels: UInt8, time_s: float) -> None:
            super().write(pixels, time_s)
            drawn.set()

    with open_session(model, in_flight=2) as session:
        loop = Loop(session, camera, [nullcontext(Told())], opacity=0.0)
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
        loop = Loop(session, camera, [nullcontext(out)], opacity=1.0)
        loop.start()
        for color in colors:
            camera.show(np.full((*SIZE, 3), color, np.uint8))
            assert session.working.acquire(timeout=10)
            session.let.release()
        camera.show(None)
        loop.finish()
    drawn = [tuple(int(v) for v in frame[-1, -1]) for frame in out.frames]
    assert drawn == [(0, 0, 255), (0, 255, 0), (255, 0, 0)]


def test_every_stage_is_timed_and_latency_counts_from_capture(tmp_path: Path, model: Path) -> None:
    with open_session(model) as session:
        source = open_source(str(write_numbered(tmp_path / "n.mp4", 20)))
        stats = run(Loop(session, source, [nullcontext(Collector())]))
    assert set(stats.stages_ns) == {"read", "fit", "infer", "latency", "draw", "write"}
    assert all(len(samples) == 20 and samples.min() > 0 for samples in stats.stages_ns.values())
    worked = stats.stages_ns["fit"] + stats.stages_ns["infer"]
    assert (stats.stages_ns["latency"] > worked).all()
    assert stats.fps == pytest.approx(20 / stats.wall_s)


def test_without_a_sink_nothing_is_drawn(tmp_path: Path, model: Path) -> None:
    with open_session(model) as session:
        stats = run(Loop(session, open_source(str(write_numbered(tmp_path / "n.mp4", 5)))))
    assert stats.published == 5
    assert "draw" not in stats.stages_ns


@pytest.mark.parametrize("frames", [1, 7])
@pytest.mark.parametrize("in_flight", [1, 2])
def test_max_frames_ends_a_file_after_exactly_so_many(tmp_path: Path, model: Path, frames: int, in_flight: int) -> None:
    out = Collector()
    with open_session(model, in_flight=in_flight) as session:
        source = open_source(str(write_numbered(tmp_path / "n.mp4", 20)))
        stats = run(Loop(session, source, [nullcontext(out)], opacity=0.0, max_frames=frames))
    assert out.numbers == list(range(frames))
    assert (stats.read, stats.published) == (frames, frames)


def test_max_frames_ends_a_live_source_that_would_go_on(model: Path) -> None:
    camera = FakeCamera()
    session = HeldSession(model)
    with session:
        loop = Loop(session, camera, max_frames=2)
        loop.start()
        for number in range(2):
            camera.show(numbered(number))
            assert session.working.acquire(timeout=10)
            session.let.release()
        assert loop.wait(10)
        camera.show(numbered(2))  # the reader waits for one more, and then sees that nobody wants it
        assert loop.finish().published == 2
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
        self.fuse()
        return super().result()


class BrokenSink:
    def __init__(self) -> None:
        self.fuse = Fuse()

    def write(self, pixels: UInt8, time_s: float) -> None:
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
    sinks: list[AbstractContextManager[Sink]] = [recording(video, SIZE, 25.0, force=False)]
    if part == "sink":
        sinks.append(nullcontext(BrokenSink()))
    with BrokenSession(model) if part == "session" else open_session(model) as session:
        loop = Loop(session, source, sinks)
        loop.start()
        with pytest.raises(BrokenError):
            loop.finish()
    assert not list(tmp_path.glob("*out*"))


def test_camera_that_breaks_off_is_an_error_but_the_video_until_then_stays(tmp_path: Path, model: Path) -> None:
    camera, video = FakeCamera(), tmp_path / "out.mp4"
    with open_session(model) as session:
        loop = Loop(session, camera, [recording(video, SIZE, 25.0, force=False)])
        loop.start()
        camera.show(numbered(0))
        camera.show(SourceError("the cable was pulled"))
        with pytest.raises(SourceError, match="the cable was pulled"):
            loop.finish()
    with open_source(str(video)) as source:
        assert source.frame_count == 1


def test_camera_that_hangs_does_not_hold_up_the_end(model: Path) -> None:
    camera = FakeCamera()
    with open_session(model) as session:
        loop = Loop(session, camera)
        loop.start()
        camera.hang()
        loop.stop()
        assert loop.finish().read == 0
    assert not camera.closed.is_set()  # the reader still waits for a frame
    camera.wake()
    assert camera.closed.wait(10)


def test_stop_keeps_the_video(tmp_path: Path, model: Path) -> None:
    camera, video = FakeCamera(), tmp_path / "out.mp4"
    session = HeldSession(model)
    with session:
        loop = Loop(session, camera, [recording(video, SIZE, 25.0, force=False)])
        loop.start()
        for number in range(3):
            camera.show(numbered(number))
            assert session.working.acquire(timeout=10)
            if number < 2:
                session.let.release()
        loop.stop()
        session.let.release()
        camera.show(None)
        stats = loop.finish()
    with open_source(str(video)) as source:
        assert source.frame_count == stats.published == 3
    assert [p.name for p in tmp_path.glob("*out*")] == ["out.mp4"]
