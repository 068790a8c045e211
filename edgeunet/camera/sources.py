"""Where frames come from: a video file, a camera of this machine, a network stream. All through OpenCV."""

from __future__ import annotations

import os
import re
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np

from edgeunet.camera.container import frames_promised, require_whole
from edgeunet.camera.frame import Frame
from edgeunet.errors import SourceError
from edgeunet.frames import UInt8

_CAMERA = re.compile(r"\d+|/dev/video\d+")
_STREAM = re.compile(r"[a-z]+://", re.IGNORECASE)
NETWORK_TIMEOUT_MS = 5_000  # OpenCV waits 30 s by default


class Source(ABC):
    """A stream of frames of one size, numbered from 0.

    live: frames arrive by the clock, and one that is not taken in time is worth nothing.
    size: (height, width) in pixels. fps: frames a second by its own account, 0.0 if it does not say.
    frame_count: how many it has by its own account; None if it does not say or never ends.
    One thread reads it and closes it.
    """

    live: bool
    name: str
    size: tuple[int, int]
    fps: float
    frame_count: int | None = None

    def __init__(self) -> None:
        self._number = 0

    def read(self) -> Frame | None:
        """Wait for the next frame; None at the end. Raises SourceError if the source breaks off."""
        begin = time.perf_counter_ns()
        if not self._grab():
            return None
        captured = time.perf_counter_ns()
        pixels = self._retrieve()
        frame = Frame(pixels, self._number, captured, time.perf_counter_ns() - begin)
        self._number += 1
        return frame

    @abstractmethod
    def _grab(self) -> bool:
        """Wait until the next frame has arrived; False at the end."""

    @abstractmethod
    def _retrieve(self) -> UInt8:
        """The frame that arrived: uint8 [h, w, 3] BGR, the caller's to keep and to draw on."""

    @abstractmethod
    def close(self) -> None:
        """Free the device or file."""

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class VideoSource(Source):
    """A source that OpenCV opened."""

    def __init__(self, capture: cv2.VideoCapture, name: str, *, live: bool, promised: int | None = None) -> None:
        super().__init__()
        self.name = name
        self.live = live
        self.size = (int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)))
        self.fps = max(0.0, float(capture.get(cv2.CAP_PROP_FPS)))
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.frame_count = promised or (count if count > 0 and not live else None)
        self._capture = capture
        self._promised = promised

    def _grab(self) -> bool:
        if self._capture.grab():
            return True
        if self.live:
            raise SourceError(f"{self.name} stopped after {self._number} frames: check its cable, power or network")
        if self._number == 0:
            raise SourceError(f"{self.name} has no picture that can be decoded: convert it to H.264 or MJPEG first")
        if self._promised is not None and self._number < self._promised:
            raise SourceError(
                f"{self.name} is damaged: frame {self._number} of {self._promised} and those after it cannot be "
                f"decoded; copy it again, or give --max-frames {self._number}"
            )
        return False

    def _retrieve(self) -> UInt8:
        whole, pixels = self._capture.retrieve()
        if not whole or pixels.shape[:2] != self.size:
            got = f"{pixels.shape[1]}×{pixels.shape[0]} pixels" if whole else "an unreadable picture"
            raise SourceError(
                f"{self.name} changed at frame {self._number}: got {got} instead of {self.size[1]}×{self.size[0]}"
            )
        return np.asarray(pixels, dtype=np.uint8)

    def close(self) -> None:
        self._capture.release()


def in_flight(address: str) -> int:
    """How many frames of a source the session should work on at once.

    A camera's frame must be done first; of a file the next one can be under way: more frames a second
    (benchmarks/loop.py measures it).
    """
    return 1 if _CAMERA.fullmatch(address) or _STREAM.match(address) else 2


def open_source(address: str) -> Source:
    """Open a video file, a camera (`0` or `/dev/video0`) or a stream (`rtsp://…`, `http://…`).

    Raises SourceError if it is missing, empty, cut, not a video, or gives no picture.
    """
    _silence()
    if _CAMERA.fullmatch(address):
        return _open_camera(address)
    if _STREAM.match(address):
        return _open_stream(address)
    return _open_file(Path(address))


def _open_camera(address: str) -> Source:
    index = int(address.removeprefix("/dev/video"))
    linux = Path("/dev").is_dir()
    if linux and not Path(f"/dev/video{index}").exists():
        present = ", ".join(sorted(str(p) for p in Path("/dev").glob("video*"))) or "no camera at all"
        raise SourceError(f"camera {address} is not there; this machine has {present}")
    capture = cv2.VideoCapture(index, cv2.CAP_V4L2 if linux else cv2.CAP_ANY)
    if not capture.isOpened():
        raise SourceError(f"camera {address} cannot be opened: is another program using it, are you in group video?")
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the driver's queue of 4 would hold old frames
    return VideoSource(capture, f"camera {index}", live=True)


def _open_stream(address: str) -> Source:
    capture = cv2.VideoCapture()
    timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, NETWORK_TIMEOUT_MS]
    if not capture.open(address, cv2.CAP_FFMPEG, timeouts):
        raise SourceError(f"{_without_password(address)} cannot be opened: check address, network and password")
    live = capture.get(cv2.CAP_PROP_FRAME_COUNT) <= 0  # a file behind http:// has a length
    return VideoSource(capture, _without_password(address), live=live)


def _without_password(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//", address)


def _open_file(path: Path) -> Source:
    if not path.exists():
        raise SourceError(f"{path}: no such video file")
    if not path.is_file():
        raise SourceError(f"{path} is not a video file: give one file, or a camera such as 0")
    if path.stat().st_size == 0:
        raise SourceError(f"{path} is empty (0 bytes): copy or record it again")
    require_whole(path)
    # Without a named backend OpenCV would take a text file for a list of images.
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise SourceError(f"{path} is not a video that OpenCV can open: expected a video file such as .mp4, .mkv, .avi")
    return VideoSource(capture, str(path), live=False, promised=frames_promised(path))


def _silence() -> None:
    """Keep OpenCV and FFmpeg from writing to stderr what SourceError says in one line."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET; read when the first video is opened
    # 4.x sets the level in cv2, 5 in cv2.utils.logging.
    module: Any = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging
    module.setLogLevel(0)  # silent
