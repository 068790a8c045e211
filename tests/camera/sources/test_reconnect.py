from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgeunet.camera.sources import opening as sources
from edgeunet.camera.sources import reconnect
from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.opening import open_source, open_steady, settle
from edgeunet.camera.sources.reconnect import Reconnecting
from edgeunet.camera.sources.source import Source, UnusableError
from edgeunet.camera.sources.stamp import decode_stamp
from edgeunet.errors import MissingDependencyError, SourceError, UsageError
from tests.camera.servers import MjpegServer, RtspServer, require_rtsp
from tests.camera.videos import SIZE, FakeCamera, number_of, numbered, write_numbered

pytestmark = pytest.mark.usefixtures("no_thread_is_left")

SILENT_S = 0.3  # what these tests call a stall


class Notes:
    """The lines for people; a test may wait for one."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, line: str) -> None:
        with self._changed:
            self.lines.append(line)
            self._changed.notify_all()

    def wait_for(self, text: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: any(text in line for line in self.lines), 30), self.lines


class Cameras:
    """Opens fake cameras, one after the other, as the test plugs them in."""

    def __init__(self) -> None:
        self.openings = 0
        self._plugged: queue.Queue[Source | BaseException] = queue.Queue()

    def plug(self, *cameras: Source | BaseException) -> None:
        for camera in cameras:
            self._plugged.put(camera)

    def __call__(self) -> Source:
        self.openings += 1
        camera = self._plugged.get(timeout=30)
        if isinstance(camera, BaseException):
            raise camera
        return camera


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def cameras() -> Cameras:
    return Cameras()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "FIRST_PAUSE_S", 0.01)


def showing(*pictures: int | Exception | None) -> FakeCamera:
    """A fake camera that shows these numbers, then an exception or the end, if given; else nothing any more."""
    camera = FakeCamera()
    for picture in pictures:
        camera._shown.put(numbered(picture) if isinstance(picture, int) else picture)
    return camera


def read_number(source: Source) -> int:
    frame = source.read()
    assert frame is not None
    return number_of(frame.pixels)


def test_source_that_breaks_is_opened_again_and_numbered_on(cameras: Cameras, notes: Notes) -> None:
    broken = SourceError("fake camera stopped: check its cable")
    first, second = showing(1, 2, broken), showing(3, 4, None)
    cameras.plug(first, SourceError("camera 0 is not there"), second)
    with Reconnecting(cameras, notes) as source:
        assert (source.live, source.name, source.size, source.fps) == (True, "fake camera", SIZE, 30.0)
        frames = list(iter(source.read, None))
        assert (source.reconnects, cameras.openings) == (1, 3)
    assert [number_of(frame.pixels) for frame in frames] == [1, 2, 3, 4]
    assert [frame.number for frame in frames] == [0, 1, 2, 3]
    assert notes.lines[:2] == [
        "fake camera stopped: check its cable; opening it again (try 1)",
        "camera 0 is not there; opening it again (try 2)",
    ]
    assert notes.lines[2].startswith("fake camera: back after 0.")
    assert first.closed.is_set()
    assert second.closed.is_set()


def test_stamps_are_those_of_the_source(cameras: Cameras, notes: Notes) -> None:
    cameras.plug(open_source("synthetic://?width=320&height=240&fps=500&seconds=0.1"))
    with Reconnecting(cameras, notes) as source:
        for frame in iter(source.read, None):
            assert decode_stamp(frame.pixels) == (frame.number, frame.captured_ns)


def test_pauses_grow_up_to_a_limit(cameras: Cameras, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "FIRST_PAUSE_S", 0.5)
    pauses: list[float] = []
    cameras.plug(showing(0, *[SourceError("gone")]), *[SourceError("gone")] * 7, showing(1, SourceError("gone")))
    cameras.plug(showing(2, None))
    source = Reconnecting(cameras, notes)
    monkeypatch.setattr(source._closed, "wait", lambda pause: pauses.append(pause))
    assert [read_number(source) for _ in range(3)] == [0, 1, 2]
    assert pauses == [0.5, 1, 2, 4, 8, 10, 10, 10, 0.5]  # from the start after it came back
    source.close()


def test_camera_that_is_gone_for_hours_is_still_awaited(
    cameras: Cameras, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pause in ("FIRST_PAUSE_S", "LONGEST_PAUSE_S"):
        monkeypatch.setattr(reconnect, pause, 0.0)
    cameras.plug(showing(1, SourceError("gone")), *[SourceError("gone")] * 1500, showing(2, None))
    with Reconnecting(cameras, notes) as source:
        assert [read_number(source) for _ in range(2)] == [1, 2]
    assert notes.lines[-2].endswith("(try 1501)")


def test_source_without_a_frame_is_left_and_opened_again(cameras: Cameras, notes: Notes) -> None:
    stuck = showing(1)
    cameras.plug(stuck, showing(2, None))
    with Reconnecting(cameras, notes, stall_s=SILENT_S) as source:
        assert [read_number(source) for _ in range(2)] == [1, 2]
        assert source.reconnects == 1
    assert notes.lines[0] == "fake camera: no frame for 0.3 s; opening it again (try 1)"
    assert not stuck.closed.is_set()  # its thread still hangs in the read
    stuck.wake()
    assert stuck.closed.wait(10)


def test_no_more_than_a_few_threads_hang(cameras: Cameras, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "OPEN_S", SILENT_S)
    monkeypatch.setattr(reconnect, "LONGEST_PAUSE_S", 0.01)
    stuck = [showing(1), showing(), showing()]
    cameras.plug(*stuck)
    source = Reconnecting(cameras, notes, stall_s=SILENT_S)
    assert read_number(source) == 1
    reader = threading.Thread(target=source.read, daemon=True)
    reader.start()
    notes.wait_for("3 tries hang in its driver")
    assert cameras.openings == 3
    cameras.plug(showing(2, None))
    stuck[0].wake()
    notes.wait_for("back after")
    reader.join(10)
    source.close()
    for camera in stuck[1:]:
        camera.wake()


@pytest.mark.parametrize("state", ["waiting for a frame", "between two tries"])
def test_closing_ends_a_read_that_waits(
    cameras: Cameras, notes: Notes, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr(reconnect, "FIRST_PAUSE_S", 60.0)
    monkeypatch.setattr(reconnect, "LONGEST_PAUSE_S", 60.0)
    camera = showing(1) if state == "waiting for a frame" else showing(1, SourceError("gone"))
    cameras.plug(camera)
    source = Reconnecting(cameras, notes, stall_s=60)
    assert read_number(source) == 1
    ends: list[object] = []
    reader = threading.Thread(target=lambda: ends.append(source.read()), daemon=True)
    reader.start()
    if state == "between two tries":
        notes.wait_for("try 1")
    source.close()
    reader.join(10)
    assert ends == [None]
    camera.wake()


def test_first_opening_must_succeed(cameras: Cameras, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    cameras.plug(SourceError("camera 0 is not there"))
    with pytest.raises(SourceError, match="camera 0 is not there"):
        Reconnecting(cameras, notes)
    monkeypatch.setattr(reconnect, "OPEN_S", 0.05)
    with pytest.raises(SourceError, match="neither opens nor fails within"):
        Reconnecting(cameras, notes)
    late = showing(None)
    cameras.plug(late)
    assert late.closed.wait(10)  # the opening that was left closes what it gets in the end
    assert notes.lines == []


@pytest.mark.parametrize("error", [SourceError("gone"), ZeroDivisionError(), ValueError("5000 digits\nof a length")])
def test_whatever_a_source_raises_is_no_more_than_a_reconnect(cameras: Cameras, notes: Notes, error: Exception) -> None:
    cameras.plug(showing(1, error), showing(2, None))
    with Reconnecting(cameras, notes) as source:
        assert [read_number(source) for _ in range(2)] == [1, 2]
    assert str(error).split("\n")[0] in notes.lines[0]
    assert "\n" not in notes.lines[0]


@pytest.mark.parametrize("error", [UnusableError("grey"), MissingDependencyError("GStreamer", "it", "apt install it")])
def test_what_another_try_would_not_change_is_raised(cameras: Cameras, notes: Notes, error: Exception) -> None:
    cameras.plug(showing(1, error))
    with Reconnecting(cameras, notes) as source:
        assert read_number(source) == 1
        with pytest.raises(type(error)):
            source.read()
    assert notes.lines == []


def test_one_of_several_that_is_off_at_the_start_is_awaited_and_counted(cameras: Cameras, notes: Notes) -> None:
    off = SourceError("camera 0 is not there")
    cameras.plug(off, off, showing(1, SourceError("gone")), showing(2, None))
    with Reconnecting(cameras, notes, name="camera 0") as source:
        settle([source])
        assert (source.name, source.live) == ("camera 0", True)
        assert [read_number(source) for _ in range(2)] == [1, 2]
        assert (source.reconnects, source.size, source.fps) == (2, SIZE, 30.0)
    assert notes.lines[:2] == [f"camera 0 is not there; opening it again (try {n})" for n in (1, 2)]


def test_one_of_several_that_is_there_is_known_once_it_settled(cameras: Cameras, notes: Notes) -> None:
    cameras.plug(showing(1, None))
    with Reconnecting(cameras, notes, name="camera 0") as source:
        settle([source])
        assert (source.name, source.size, source.fps) == ("fake camera", SIZE, 30.0)
        assert len(list(iter(source.read, None))) == 1
    assert source.reconnects == 0


def test_one_that_hangs_keeps_the_others_a_moment_only(
    cameras: Cameras, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "SETTLE_S", 0.05)
    with Reconnecting(cameras, notes, name="camera 0") as source:
        settle([source, source])
        assert source.size == (0, 0)
        cameras.plug(showing(1, None))
        assert read_number(source) == 1


def test_file_that_comes_late_is_not_read_as_a_camera(
    tmp_path: Path, notes: Notes, cameras: Cameras, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras.plug(SourceError("gone"), open_source(str(write_numbered(tmp_path / "n.mp4", 5))))
    with Reconnecting(cameras, notes, name="http://camera/n.mp4") as source:
        settle([source])
        with pytest.raises(SourceError, match="is a file, and opened too late"):
            source.read()


def test_pictures_that_come_and_cannot_be_decoded_are_called_so(notes: Notes) -> None:
    with MjpegServer() as server:
        server.show(numbered(1))
        with open_steady(Address.parse(server.url), notes, stall_s=SILENT_S) as source:
            assert read_number(source) == 1
            for _ in range(4):
                server.show_data(b"no picture")
            reader = threading.Thread(target=source.read, daemon=True)
            reader.start()
            notes.wait_for("pictures arrived in 0.3 s and none can be decoded")
            source.close()
            reader.join(10)


@pytest.mark.parametrize("stall_s", [0, -1, float("nan"), float("inf")])
def test_stall_of_no_time_is_refused(cameras: Cameras, notes: Notes, stall_s: float) -> None:
    with pytest.raises(UsageError, match="--stall-s is above 0 and at most 86,400, got"):
        Reconnecting(cameras, notes, stall_s=stall_s)


def test_file_is_opened_as_it_is(tmp_path: Path, notes: Notes) -> None:
    path = write_numbered(tmp_path / "n.mp4", 5)
    with open_steady(Address.parse(str(path)), notes) as source:
        assert not isinstance(source, Reconnecting)
        assert len(list(iter(source.read, None))) == 5


def test_corrupt_frames_are_counted_over_all_openings(notes: Notes) -> None:
    with MjpegServer() as server:
        for number in range(2):
            server.show(numbered(number))
            server.show_data(b"no picture")
            server.show(numbered(number + 10))
            server.hang_up()
        with open_steady(Address.parse(server.url), notes) as source:
            assert [read_number(source) for _ in range(4)] == [0, 10, 1, 11]
            assert (source.corrupt, isinstance(source, Reconnecting) and source.reconnects) == (2, 1)


def test_stream_that_comes_back_larger_is_taken_as_it_is(notes: Notes) -> None:
    with MjpegServer() as server:
        server.show(numbered(1))
        server.hang_up()
        server.show(numbered(2, (384, 512)))
        with open_steady(Address.parse(server.url), notes) as source:
            assert source.read() is not None
            assert source.size == SIZE
            frame = source.read()
            assert frame is not None
            assert frame.pixels.shape[:2] == source.size == (384, 512)


def until_back(source: Source, notes: Notes, act: Callable[[], None]) -> int:
    """Read on while `act` is done to the server, until the source came back; the frames read after that."""
    acting = threading.Thread(target=act, daemon=True)
    acting.start()
    after = 0
    while after < 5:
        assert source.read() is not None
        after += any("back after" in line for line in notes.lines)
    acting.join()
    return after


def test_rtsp_server_is_killed_and_comes_back(notes: Notes) -> None:
    require_rtsp()
    with RtspServer() as server, open_steady(Address.parse(server.url), notes) as source:
        before = source.read()
        assert before is not None
        server.kill()

        def restart() -> None:
            notes.wait_for("cannot be opened")
            server.start()

        assert until_back(source, notes, restart) == 5
        frame = source.read()
        assert frame is not None
        assert frame.number > before.number
        assert np.abs(frame.pixels.astype(int) - before.pixels).mean() < 40  # the same road, not grey
        assert frame.pixels.std() > 20
    assert "stopped after" in notes.lines[0]
    assert server.url.removeprefix("rtsp://") in notes.lines[0]


def test_rtsp_server_freezes_and_thaws(notes: Notes) -> None:
    require_rtsp()
    with RtspServer() as server, open_steady(Address.parse(server.url), notes, stall_s=1.0) as source:
        assert source.read() is not None
        server.freeze()

        def thaw() -> None:
            notes.wait_for("try 1")
            server.thaw()

        assert until_back(source, notes, thaw) == 5
    assert notes.lines[0].endswith("/clip: no frame for 1 s; opening it again (try 1)")


def test_rtsp_clip_that_ends_is_opened_again(notes: Notes, tmp_path: Path) -> None:
    require_rtsp()
    clip = write_numbered(tmp_path / "n.mp4", 20)
    with RtspServer(clip) as server, open_steady(Address.parse(server.url), notes) as source:
        numbers = [read_number(source) for _ in range(30)]
    assert numbers == [*range(20), *range(10)]


def test_an_opening_that_is_left_reads_nothing(notes: Notes, cameras: Cameras) -> None:
    """It opens at last, after the end: a camera without pictures would hold its thread for ever."""
    camera = FakeCamera()
    source = Reconnecting(cameras, notes, name="late")
    source.close()
    cameras.plug(camera)
    assert camera.closed.wait(10)
    assert not camera._asked.acquire(blocking=False)


def test_a_source_that_is_left_is_interrupted(notes: Notes, cameras: Cameras, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = showing(1)
    monkeypatch.setattr(camera, "interrupt", camera.wake)
    cameras.plug(camera)
    with Reconnecting(cameras, notes) as source:
        assert read_number(source) == 1
    assert camera.closed.wait(5)


def test_it_is_as_coded_as_the_source_that_is_open(cameras: Cameras, notes: Notes) -> None:
    coded, plain = FakeCamera(), FakeCamera()
    coded.coded = True
    cameras.plug(coded, plain)
    with Reconnecting(cameras, notes) as source:
        before = source.coded
        threading.Thread(target=lambda: coded.show(SourceError("off"))).start()
        threading.Thread(target=lambda: plain.show(numbered(0))).start()
        assert source.read() is not None
        assert (before, source.coded) == (True, False)
        plain.show(None)


def test_mjpeg_of_a_network_camera_is_not_coded_and_rtsp_is() -> None:
    require_rtsp()
    with MjpegServer() as server:
        server.show(numbered(0))
        with open_source(server.url) as source:
            assert not source.coded
    with RtspServer() as rtsp, open_source(rtsp.url) as source:
        assert source.coded
