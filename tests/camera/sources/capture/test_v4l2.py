"""V4L2 cameras: there is none where the tests run, so OpenCV's capture is a fake one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgeunet.camera.sources import reconnect
from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.capture.v4l2 import open_device
from edgeunet.camera.sources.opening import open_address, open_source
from edgeunet.camera.sources.reconnect import Reconnecting
from edgeunet.camera.sources.source import UnusableError
from edgeunet.errors import SourceError
from edgeunet.imaging.pixels import Pixels
from edgeunet.spec import BGR
from tests.camera.videos import numbered
from tests.pixel_datasets import FOUR, GREY, THERMAL

MJPG = cv2.VideoWriter.fourcc(*"MJPG")


class FakeCapture:
    """A cv2.VideoCapture of a camera with one format and two sizes; it ends when its device file is gone."""

    formats: tuple[int, ...] = ()  # that it has besides

    def __init__(self, path: str, api: int) -> None:
        self.path = Path(path)
        self.asked: list[int] = []
        self.values: dict[int, float] = {
            cv2.CAP_PROP_FRAME_WIDTH: 640,
            cv2.CAP_PROP_FRAME_HEIGHT: 480,
            cv2.CAP_PROP_FPS: 30,
            cv2.CAP_PROP_FOURCC: MJPG,
        }
        self.stamp_ns: int | None = None
        self.released = False
        self.corrupt = False
        assert api == cv2.CAP_V4L2

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return True

    def get(self, which: int) -> float:
        if which == cv2.CAP_PROP_POS_MSEC:
            return (time.perf_counter_ns() - 2_000_000 if self.stamp_ns is None else self.stamp_ns) / 1e6
        return self.values.get(which, 0.0)

    def set(self, which: int, value: float) -> bool:
        self.asked.append(which)
        if which == cv2.CAP_PROP_FRAME_WIDTH:
            self.values[which] = 640 if value < 1000 else 1280
        elif which == cv2.CAP_PROP_FRAME_HEIGHT:
            self.values[which] = 480 if value < 600 else 720
        elif which == cv2.CAP_PROP_CONVERT_RGB or (which == cv2.CAP_PROP_FOURCC and value in self.formats):
            self.values[which] = value
        return True

    def grab(self) -> bool:
        return self.path.exists()

    def retrieve(self) -> tuple[bool, Pixels | None]:
        if self.corrupt:
            return False, None
        picture = numbered(7, (480, 640))
        if self.values.get(cv2.CAP_PROP_CONVERT_RGB, 1):
            return True, picture
        deep = self.values[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"Y16 ")
        return True, picture[..., 0].astype(np.uint16) * 256 if deep else picture[..., 0]  # as OpenCV hands it over

    def release(self) -> None:
        self.released = True


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[FakeCapture]:
    """What was opened."""
    opened: list[FakeCapture] = []

    def capture(path: str, api: int) -> FakeCapture:
        opened.append(FakeCapture(path, api))
        return opened[-1]

    monkeypatch.setattr(cv2, "VideoCapture", capture)
    return opened


@pytest.fixture
def device(tmp_path: Path) -> Path:
    path = tmp_path / "video0"
    path.touch()
    return path


def address(path: Path, **options: Any) -> Address:
    return Address("v4l2", "camera 0", str(path), **options)


def test_missing_camera_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SourceError, match="camera 97 is not there; this machine has"):
        open_source("97")
    with pytest.raises(SourceError, match="camera /dev/video97 is not there"):
        open_source("/dev/video97")
    assert capfd.readouterr().err == ""


def test_camera_is_asked_for_its_mode_format_first(captures: list[FakeCapture], device: Path) -> None:
    with open_device(address(device, width=1280, height=720, fps=30.0, fourcc="MJPG")) as source:
        assert (source.live, source.size) == (True, (720, 1280))
    assert captures[0].asked == [
        cv2.CAP_PROP_BUFFERSIZE,
        cv2.CAP_PROP_FOURCC,
        cv2.CAP_PROP_FRAME_WIDTH,
        cv2.CAP_PROP_FRAME_HEIGHT,
        cv2.CAP_PROP_FPS,
    ]
    assert captures[0].released


def test_camera_is_left_as_it_is_where_nothing_is_asked(captures: list[FakeCapture], device: Path) -> None:
    with open_device(address(device)) as source:
        assert source.size == (480, 640)
    assert captures[0].asked == [cv2.CAP_PROP_BUFFERSIZE]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 1024, "height": 576}, r"camera 0 delivers 1280×480 instead of 1024×576 pixels: .*camera --list"),
        ({"fourcc": "YUYV"}, "camera 0 delivers MJPG instead of YUYV"),
    ],
)
def test_mode_that_the_camera_lacks_is_an_error(
    captures: list[FakeCapture], device: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        open_device(address(device, **options))
    assert captures[0].released


def test_drivers_stamp_is_the_capture_time_if_it_is_of_the_same_clock(
    captures: list[FakeCapture], device: Path
) -> None:
    with open_device(address(device)) as source:
        frame = source.read()
        assert frame is not None
        assert 1_900_000 < time.perf_counter_ns() - frame.captured_ns < 1_000_000_000
        for foreign in (0, time.time_ns()):
            captures[0].stamp_ns = foreign
            before = time.perf_counter_ns()
            frame = source.read()
            assert frame is not None
            assert before <= frame.captured_ns <= time.perf_counter_ns()


def test_frame_that_cannot_be_decoded_is_skipped_and_counted(captures: list[FakeCapture], device: Path) -> None:
    with open_device(address(device)) as source:
        captures[0].corrupt = True
        with pytest.raises(SourceError, match="camera 0: 300 frames in a row cannot be decoded"):
            source.read()
        captures[0].corrupt = False
        frame = source.read()
    assert frame is not None
    assert (source.corrupt, frame.number) == (300, 300)


def test_cable_is_pulled_and_put_back(
    captures: list[FakeCapture], device: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnect, "FIRST_PAUSE_S", 0.01)
    notes: list[str] = []

    def notify(line: str) -> None:
        notes.append(line)
        if "is not there" in line:
            device.touch()

    with Reconnecting(lambda: open_device(address(device)), notify) as source:
        assert source.read() is not None
        device.unlink()
        while source.reconnects == 0:
            assert source.read() is not None
    assert "camera 0 stopped after" in notes[0]
    assert "camera 0 is not there; this machine has" in notes[1]
    assert notes[2].startswith("camera 0: back after")
    assert all(capture.released for capture in captures)


@pytest.fixture
def thermal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The camera has Y16 and GREY too."""
    monkeypatch.setattr(FakeCapture, "formats", tuple(cv2.VideoWriter.fourcc(*name) for name in ("Y16 ", "GREY")))


def test_a_model_of_16_bits_asks_for_y16_as_it_is(thermal: None, captures: list[FakeCapture], device: Path) -> None:
    with open_device(address(device), THERMAL) as source:
        frame = source.read()
    assert frame is not None
    assert (frame.pixels.shape, str(frame.pixels.dtype)) == ((480, 640, 1), "uint16")
    assert np.array_equal(frame.pixels[..., 0] >> 8, numbered(7, (480, 640))[..., 0])
    assert captures[0].asked == [cv2.CAP_PROP_BUFFERSIZE, cv2.CAP_PROP_FOURCC, cv2.CAP_PROP_CONVERT_RGB]


def test_a_camera_without_16_bits_is_refused_for_such_a_model(captures: list[FakeCapture], device: Path) -> None:
    with pytest.raises(SourceError, match="camera 0 delivers MJPG instead of Y16 : see `edgeunet camera --list`"):
        open_device(address(device), THERMAL)


def test_grey_stays_one_channel_and_y16_is_cut_for_a_model_of_8_bits(
    thermal: None, captures: list[FakeCapture], device: Path
) -> None:
    for fourcc, pixels, channels in (("GREY", GREY, 1), ("GREY", BGR, 1), ("Y16 ", BGR, 3)):
        with open_device(address(device, fourcc=fourcc), pixels) as source:
            frame = source.read()
        assert frame is not None
        assert (frame.pixels.shape, str(frame.pixels.dtype)) == ((480, 640, channels), "uint8")


def test_a_bgr_camera_behind_a_model_of_four_channels_ends_in_one_line(
    captures: list[FakeCapture], device: Path
) -> None:
    line = r"camera .*video0 delivers uint8 \[480, 640, 3\], and the model takes uint8 \[height, width, 4\], in BGR"
    camera = Address("v4l2", f"camera {device}", str(device))
    with open_address(camera, FOUR) as source, pytest.raises(UnusableError, match=line):
        source.read()
