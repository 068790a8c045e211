"""A source of frames: the base of cameras, streams, files and images."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

from edgeunet.camera.frame import Frame, FrameHeader
from edgeunet.camera.sources.pace import REST_S, Pace
from edgeunet.errors import SourceError
from edgeunet.imaging.pixels import Pixels, is_taken
from edgeunet.spec import PixelFormat

S = TypeVar("S", bound="Source")
DEFAULT_FPS = 30.0  # if a source does not say
CORRUPT_LIMIT = 300  # frames in a row that cannot be decoded: 10 s of a usual camera


class UnusableError(SourceError):
    """A source that works, but whose pictures cannot be used: opening it again does not help."""


class Source(ABC):
    """A stream of frames, numbered from 0.

    live: frames arrive by the clock, and a late one has no value.
    size: (height, width) in pixels of the latest frame; a live source and a folder of images may change it.
    fps: as the source reports, 0.0 if it does not.
    frame_count: as the source reports; None if it does not, or never ends.
    corrupt: frames that could not be decoded and were skipped; they have a number too.
    pace: lets through the frames that are decoded; None for all of them. skipped: those that it did not.
    reconnects: how often it was opened again.
    coded: frames are decoded from a video in which most of them hold only what changes (H.264), so that a picture that
        stands still has no noise.
    wanted: the pixels that its frames must have, or None if any will do.
    One thread reads it and closes it.
    """

    live: bool
    name: str
    size: tuple[int, int]
    fps: float
    frame_count: int | None = None
    corrupt: int = 0
    pace: Pace | None = None
    skipped: int = 0
    reconnects: int = 0
    coded: bool = False
    wanted: PixelFormat | None = None

    def __init__(self) -> None:
        self._number = 0
        self._corrupt_in_a_row = 0

    def read(self) -> Frame | None:
        """Wait for the next frame; None at the end.

        Raises SourceError if the source breaks off, UnusableError if its frames have other pixels than are wanted.
        """
        begin = time.perf_counter_ns()
        while self._grab():
            captured = self._captured_ns()
            if self.pace is not None and not self.pace.lets_through(time.perf_counter_ns()):
                self._number += 1
                self.skipped += 1
                time.sleep(REST_S)
                continue
            pixels = self._retrieve()
            number = self._number
            self._number += 1
            if pixels is not None:
                self._require_wanted(pixels)
                self._corrupt_in_a_row = 0
                self.size = (pixels.shape[0], pixels.shape[1])
                read_ns = time.perf_counter_ns() - begin
                return Frame(pixels, number, captured, read_ns, self._time_s(), header=self._frame_header())
            self._skip_corrupt()
        return None

    @abstractmethod
    def _grab(self) -> bool:
        """Wait until the next frame has arrived; False at the end."""

    def _captured_ns(self) -> int:
        """When the frame was captured, time.perf_counter_ns(): now, unless the source knows better."""
        return time.perf_counter_ns()

    def _time_s(self) -> float | None:
        """Seconds from the first frame to the retrieved one, by the source's own clock; None if it has none."""
        return None

    def _frame_header(self) -> FrameHeader | None:
        """What a source of ROS 2 says of the retrieved frame."""
        return None

    @abstractmethod
    def _retrieve(self) -> Pixels | None:
        """The frame that arrived, the caller's to keep; None if it cannot be decoded.

        uint8 [h, w, 3] BGR, or what the source was asked for and has: uint8 or uint16 [h, w, 1], uint8 [h, w, 4].
        """

    def interrupt(self) -> None:  # noqa: B027 - most sources wait in a driver
        """Let a read() that waits in another thread end, as at the end of the source, where the source can."""

    @abstractmethod
    def close(self) -> None:
        """Free the device or file."""

    def _require_wanted(self, pixels: Pixels) -> None:
        if self.wanted is not None and not is_taken(pixels, self.wanted):
            raise UnusableError(
                f"{self.name} delivers {pixels.dtype} {list(pixels.shape)}, and the model takes {self.wanted}: give a "
                "source of such frames, or a model that was trained on frames of this source"
            )

    def _skip_corrupt(self) -> None:
        self.corrupt += 1
        self._corrupt_in_a_row += 1
        if self._corrupt_in_a_row == CORRUPT_LIMIT:
            raise SourceError(
                f"{self.name}: {CORRUPT_LIMIT} frames in a row cannot be decoded: check its cable and its format"
            )

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
