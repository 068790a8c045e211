"""Videos whose frames carry their number in their pixels, and a camera that a test controls."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgeunet.camera.frame import Shot
from edgeunet.camera.sinks.recorder import Recorder
from edgeunet.camera.sources.source import Source
from edgeunet.imaging.letterbox import UInt8
from tests.camera.shots import shot_of

SIZE = (192, 256)  # (height, width); the legend does not reach the lower rows
BITS = 8
_TOP, _SIDE = SIZE[0] - 32, SIZE[1] // BITS


def numbered(number: int, size: tuple[int, int] = SIZE) -> UInt8:
    """A frame with `number` (0 to 255) as black and white squares in its lowest rows."""
    frame = np.full((*size, 3), 90, np.uint8)
    for bit in range(BITS):
        frame[_TOP:, bit * _SIDE : (bit + 1) * _SIDE] = 255 * (number >> bit & 1)
    return frame


def number_of(frame: UInt8) -> int:
    """What numbered() wrote, after any compression."""
    squares = frame[_TOP + 8 : _TOP + 24].mean(axis=(0, 2)).reshape(BITS, _SIDE).mean(axis=1)
    return sum(1 << bit for bit, value in enumerate(squares) if value > 128)


def write_numbered(path: Path, count: int, fps: float = 25.0) -> Path:
    """A real H.264 video of `count` numbered frames."""
    with Recorder(path, fps, force=True) as recorder:
        for number in range(count):
            recorder.write(shot_of(numbered(number), number / fps))
    return path


def eventually(is_true: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Wait for what another thread brings about and nothing tells."""
    end = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


class FakeCamera(Source):
    """A live source that delivers what the test shows it: show(None) ends it, an exception breaks it off."""

    name = "fake camera"
    live = True
    size = SIZE
    fps = 30.0

    def __init__(self) -> None:
        super().__init__()
        self.closed = threading.Event()
        self._shown: queue.Queue[UInt8 | Exception | None] = queue.Queue()
        self._asked = threading.Semaphore(0)
        self._pixels = numbered(0)

    def show(self, picture: UInt8 | Exception | None) -> None:
        """Wait until the reader has put the last picture away and asks for the next, then give it this one."""
        assert self._asked.acquire(timeout=10)
        self._shown.put(picture)

    def hang(self) -> None:
        """Wait until the reader asks for a frame, and give it none."""
        assert self._asked.acquire(timeout=10)

    def wake(self) -> None:
        """Let the reader that hangs see the end."""
        self._shown.put(None)

    def _grab(self) -> bool:
        self._asked.release()
        picture = self._shown.get(timeout=10)
        if isinstance(picture, Exception):
            raise picture
        if picture is None:
            return False
        self._pixels = picture
        return True

    def _retrieve(self) -> UInt8:
        return self._pixels

    def close(self) -> None:
        self.closed.set()


class Collector:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.shots: list[Shot] = []

    @property
    def numbers(self) -> list[int]:
        """What the pictures say."""
        return [number_of(shot.overlay) for shot in self.shots]

    @property
    def times_s(self) -> list[float]:
        return [shot.time_s for shot in self.shots]

    def write(self, shot: Shot) -> None:
        self.shots.append(shot)
