"""What one source does is no matter of the others: in the real loop, with cameras that the test controls."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeunet.camera.loop.loop import Loop, LoopOptions
from edgeunet.camera.sources.opening import open_source
from edgeunet.camera.sources.pace import Pace
from edgeunet.errors import FrameError, UsageError
from edgeunet.imaging.letterbox import UInt8
from edgeunet.runtime import open_session
from edgeunet.runtime.cpu.onnxruntime_session import OnnxRuntimeSession
from edgeunet.runtime.session import Result
from tests.camera.videos import Collector, FakeCamera, eventually, number_of, numbered, write_numbered
from tests.models import write_toy_model

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


def end(*cameras: FakeCamera) -> None:
    for camera in cameras:
        camera.show(None)


def numbers_of(out: Collector, source: str) -> list[int]:
    return [number_of(shot.overlay) for shot in out.shots if shot.source == source]


def test_a_picture_that_takes_long_to_draw_holds_up_its_own_source_only(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick, out, let = FakeCamera(), FakeCamera(), Collector(), threading.Event()
    with open_session(model) as session:
        loop = Loop(session, {"slow": slow, "quick": quick}, [nullcontext(out)], LoopOptions(0.0))
        reader = loop.readers[0]
        draw = reader.draw

        def hanging(*arguments: object, **named: object) -> tuple[UInt8, UInt8]:
            assert let.wait(20)
            return draw(*arguments, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(reader, "draw", hanging)
        loop.start()
        for number in range(8):
            slow.show(numbered(number))
        for number in range(8):
            quick.show(numbered(number))
            eventually(lambda wanted=number: numbers_of(out, "quick")[-1:] == [wanted])  # type: ignore[misc]
        assert numbers_of(out, "slow") == []
        let.set()
        end(slow, quick)
        stats = loop.finish()
    assert numbers_of(out, "quick") == list(range(8))
    assert stats["slow"].published + stats["slow"].dropped == 8
    assert numbers_of(out, "slow")[-1] == 7, "the newest one, once it goes on"


class Picky(OnnxRuntimeSession):
    """Refuses frames whose first pixel is white; of a list, the whole."""

    def submit(self, frames: object) -> None:
        if any(frame[0, 0, 0] == 255 for frame in frames):  # type: ignore[attr-defined]
            raise FrameError("such a frame is refused")
        super().submit(frames)  # type: ignore[arg-type]


@pytest.mark.parametrize("batch", [1, 2])
def test_a_source_whose_frames_all_fail_is_given_up_and_the_others_continue(tmp_path: Path, batch: int) -> None:
    bad, good, out, notes = FakeCamera(), FakeCamera(), Collector(), list[str]()
    white = np.full_like(numbered(0), 255)
    with Picky(write_toy_model(tmp_path / "n.onnx", batch="N"), batch=batch) as session:
        loop = Loop(
            session, {"bad": bad, "good": good}, [nullcontext(out)], LoopOptions(0.0, batch=batch), notify=notes.append
        )
        loop.start()
        good.show(numbered(100))
        for number in range(5):
            bad.show(white)
            eventually(lambda done=number + 1: loop.stats()["bad"].failed == done)  # type: ignore[misc]
            if batch > 1:  # else the good one is slow, and five of the bad one come in a row
                good.show(numbered(number))
                eventually(lambda wanted=number: numbers_of(out, "good")[-1:] == [wanted])  # type: ignore[misc]
        eventually(lambda: len(notes) == 5)
        good.show(numbered(7))
        end(good)
        bad.wake()
        with pytest.raises(FrameError, match="such a frame is refused"):
            loop.finish()
    assert notes[-1] == "bad: 5 inferences in a row failed (such a frame is refused); the other sources continue"
    assert numbers_of(out, "good")[-1] == 7
    assert loop.stats()["good"].failed == 0


class Coughing(OnnxRuntimeSession):
    """Its first calls of submit(), or of result(), raise."""

    submits = results = 0

    def submit(self, frames: object) -> None:
        if self.submits:
            self.submits -= 1
            raise RuntimeError("the GPU coughed")
        super().submit(frames)  # type: ignore[arg-type]

    def result(self) -> Result:
        result = super().result()
        if self.results:
            self.results -= 1
            raise RuntimeError("the GPU coughed")
        return result


@pytest.mark.parametrize(("call", "of_a_batch"), [("submits", 3), ("results", 2)])  # 3: the list, then frame by frame
def test_a_batch_that_fails_counts_once_however_many_sources_it_has(tmp_path: Path, call: str, of_a_batch: int) -> None:
    model = write_toy_model(tmp_path / "n.onnx", batch="N")

    def ran(failing: int) -> list[tuple[int, int]]:
        files = {name: open_source(str(write_numbered(tmp_path / f"{name}.mp4", 10))) for name in ("a", "b")}
        with Coughing(model, batch=2) as session:
            setattr(session, call, failing * of_a_batch)
            loop = Loop(session, files, (), LoopOptions(0.0, sync_ms=10, batch=2))
            loop.start()
            return [(stats.failed, stats.published) for stats in loop.finish().values()]

    assert ran(4) == [(4, 6), (4, 6)]
    with pytest.raises(RuntimeError, match="coughed"):
        ran(5)


def test_a_file_next_to_a_camera_plays_at_its_own_rate(tmp_path: Path, model: Path) -> None:
    camera, out = FakeCamera(), Collector()
    with open_session(model) as session:
        file = open_source(str(write_numbered(tmp_path / "n.mp4", 10, fps=25)))
        loop = Loop(session, {"file": file, "camera": camera}, [nullcontext(out)], LoopOptions(0.0))
        begin = time.monotonic()
        loop.start()
        camera.show(numbered(50))
        eventually(lambda: len(numbers_of(out, "file")) == 10)
        seconds = time.monotonic() - begin
        end(camera)
        stats = loop.finish()
    assert seconds >= 9 / 25
    assert numbers_of(out, "file") == list(range(10))
    assert stats["file"].dropped == 0


def test_a_large_frame_is_fitted_by_the_thread_that_reads_it(model: Path) -> None:
    cameras, out, threads = {"a": FakeCamera(), "b": FakeCamera()}, Collector(), list[str]()

    class Spied(OnnxRuntimeSession):
        large = 100

        def fit_ahead(self, frame: UInt8) -> object:  # type: ignore[override]
            threads.append(threading.current_thread().name)
            return super().fit_ahead(frame)

    with Spied(model) as session:
        loop = Loop(session, cameras, [nullcontext(out)], LoopOptions(1.0))
        loop.start()
        for camera in cameras.values():
            camera.show(np.full((300, 400, 3), (10, 200, 10), np.uint8))
        end(*cameras.values())
        loop.finish()
    assert sorted(threads) == ["edgeunet-reader of a", "edgeunet-reader of b"]
    assert [shot.overlay.shape for shot in out.shots] == [(300, 400, 3)] * 2
    assert all((shot.overlay[-1, -1] == (0, 255, 0)).all() for shot in out.shots)


def test_what_floods_is_left_out_before_it_is_decoded_and_counted() -> None:
    class Flood(FakeCamera):
        retrieved = 0
        left = 1000

        def _grab(self) -> bool:
            self.left -= 1
            return self.left >= 0

        def _retrieve(self) -> UInt8:
            self.retrieved += 1
            return self._pixels

    flood = Flood()
    flood.pace = Pace(30.0)
    begin = time.monotonic()
    frames = list(iter(flood.read, None))
    seconds = time.monotonic() - begin
    assert len(frames) == flood.retrieved <= 2 + seconds * 33 + 1
    assert flood.skipped + len(frames) == 1000
    assert [frame.number for frame in frames] == sorted({frame.number for frame in frames})
    assert seconds >= 1.9, "a driver that never waits does not take a core"


@pytest.mark.parametrize(
    ("reported", "times_ms", "through"),
    [
        (30.0, [0, 33, 67, 100, 133], [True] * 5),
        (30.0, [0, 45, 66, 100, 133], [True] * 5),  # one that was late
        (30.0, [0, 1, 2, 3, 4], [True, True, False, False, False]),
        (0.0, [0, 17, 33, 50, 67], [True] * 5),  # no rate is reported: up to 60
        (90_000.0, [0, 1, 2, 3, 4], [True, True, False, False, False]),  # the clock of a stream
    ],
)
def test_the_share_is_the_rate_that_a_camera_reports(reported: float, times_ms: list[int], through: list[bool]) -> None:
    pace = Pace(reported)
    assert [pace.lets_through(10**9 + at * 10**6) for at in times_ms] == through


class Timed(FakeCamera):
    """Says when its frames were captured."""

    def __init__(self, *captured_ms: float) -> None:
        super().__init__()
        self.captured_ms = iter(captured_ms)

    def _captured_ns(self) -> int:
        return round(next(self.captured_ms) * 1e6)


def paired_loop(model: Path, cameras: dict[str, FakeCamera], out: Collector, **options: object) -> Loop:
    session = open_session(model)
    loop = Loop(session, cameras, [nullcontext(out)], replace(LoopOptions(0.0, sync_ms=500), **options))  # type: ignore[arg-type]
    loop.start()
    return loop


def test_frames_of_cameras_that_belong_together_have_a_group_and_one_without_a_match_is_counted(model: Path) -> None:
    left, right, out = Timed(1000, 3000, 9000), Timed(1400, 3499), Collector()
    loop = paired_loop(model, {"left": left, "right": right}, out)
    left.show(numbered(1))
    right.show(numbered(11))
    eventually(lambda: len(out.shots) == 2)
    right.show(numbered(12))
    left.show(numbered(2))
    eventually(lambda: len(out.shots) == 4)
    begin = time.monotonic()
    left.show(numbered(3))
    eventually(lambda: len(out.shots) == 5)
    waited = time.monotonic() - begin
    end(left, right)
    stats = loop.finish()
    loop.session.close()
    groups = {(shot.source, number): shot.group for shot, number in zip(out.shots, out.numbers, strict=True)}
    assert groups == {("left", 1): 0, ("right", 11): 0, ("left", 2): 1, ("right", 12): 1, ("left", 3): None}
    assert 0.4 <= waited < 5, "it waited for the bound"
    assert (stats["left"].unpaired, stats["right"].unpaired) == (1, 0)


def test_nobody_waits_for_a_camera_that_has_ended(model: Path) -> None:
    left, right, out = FakeCamera(), FakeCamera(), Collector()
    loop = paired_loop(model, {"left": left, "right": right}, out, sync_ms=1000.0)
    end(right)
    right.closed.wait(10)
    begin = time.monotonic()
    left.show(numbered(1))
    eventually(lambda: len(out.shots) == 1)
    assert time.monotonic() - begin < 0.8
    end(left)
    stats = loop.finish()
    loop.session.close()
    assert (out.shots[0].group, stats["left"].unpaired) == (None, 1)


def test_paired_frames_run_as_one_batch_where_the_loop_says_so(tmp_path: Path) -> None:
    left, right, out, lengths = Timed(1000), Timed(1001), Collector(), list[int]()

    class Spied(OnnxRuntimeSession):
        def submit(self, frames: object) -> None:
            lengths.append(len(frames))  # type: ignore[arg-type]
            super().submit(frames)  # type: ignore[arg-type]

    with Spied(write_toy_model(tmp_path / "n.onnx", batch="N"), batch=2) as session:
        options = LoopOptions(0.0, sync_ms=1000, batch=2)
        loop = Loop(session, {"left": left, "right": right}, [nullcontext(out)], options)
        loop.start()
        left.show(numbered(1))
        right.show(numbered(2))
        end(left, right)
        loop.finish()
    assert lengths == [2]
    assert {shot.group for shot in out.shots} == {0}


def test_files_are_paired_by_their_own_times_and_no_frame_is_lost(tmp_path: Path, model: Path) -> None:
    """25 and 12.5 fps: every second frame of the quick one has a match."""
    out = Collector()
    files = {
        "quick": open_source(str(write_numbered(tmp_path / "quick.mp4", 12, fps=25))),
        "slow": open_source(str(write_numbered(tmp_path / "slow.mp4", 6, fps=12.5))),
    }
    with open_session(model) as session:
        loop = Loop(session, files, [nullcontext(out)], LoopOptions(0.0, sync_ms=10))
        loop.start()
        stats = loop.finish()
    groups: dict[str, list[int | None]] = {name: [s.group for s in out.shots if s.source == name] for name in files}
    assert groups == {"quick": [0, None, 1, None, 2, None, 3, None, 4, None, 5, None], "slow": [*range(6)]}
    assert (stats["quick"].unpaired, stats["slow"].unpaired) == (6, 0)
    assert numbers_of(out, "quick") == list(range(12))


def test_a_file_cannot_be_paired_with_a_camera(tmp_path: Path, model: Path) -> None:
    file = str(write_numbered(tmp_path / "n.mp4", 3))
    with (
        open_source(file) as source,
        open_session(model) as session,
        pytest.raises(UsageError, match="give cameras only, or files only"),
    ):
        Loop(session, {"file": source, "camera": FakeCamera()}, (), LoopOptions(sync_ms=10))
