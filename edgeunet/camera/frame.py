"""A frame in the camera loop, and the result that is published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edgeunet.camera.state.mask_state import Finding, StateReport
from edgeunet.imaging.pixels import Pixels, UInt8
from edgeunet.runtime.session import Fitted, Result


@dataclass(frozen=True)
class FrameHeader:
    """What a source of ROS 2 says of a frame, and its mask says again.

    stamp_ns: when it was captured, since 1970, by the clock of whatever made it. frame_id: the name of the camera's
    coordinate frame.
    """

    stamp_ns: int
    frame_id: str


@dataclass(frozen=True)
class Frame:
    """One picture of a source.

    pixels: uint8 [h, w, 3] BGR, or what the source has, see PixelFormat; do not change them. number: counts from 0 at
    the source, dropped frames included. captured_ns: when it arrived, time.perf_counter_ns(). read_ns: how long the
    source took to read it.
    time_s: seconds since the source's first frame, by the file's own clock; None if it has no clock.
    fault: what is wrong with the picture, in words; "" for nothing.
    ahead: it is fitted to the network already; None where the session does that.
    header: of a source of ROS 2.
    """

    pixels: Pixels
    number: int
    captured_ns: int
    read_ns: int
    time_s: float | None = None
    fault: str = ""
    ahead: Fitted | None = None
    header: FrameHeader | None = None


@dataclass(frozen=True)
class Shot:
    """One published frame: what every sink gets.

    source: the name of its source. overlay, plain: uint8 [h, w, 3] BGR, the picture with its mask, with and without the
    legend; do not change them.
    time_s: since the source's first frame: by the clock for a live source, by its own times for a file.
    stages_ns: how long each stage of this frame took: "read", "wait", the session's own ("fit", "infer"), "draw".
    age_ns: from capture to published mask. dropped: frames of its source that were dropped so far.
    state: how far to trust the mask, and why. group: the number of the frames of several sources that belong together;
    None for a frame that has no match, and where frames are not paired.
    """

    source: str
    frame: Frame
    result: Result
    overlay: UInt8
    plain: UInt8
    time_s: float
    stages_ns: Mapping[str, int]
    age_ns: int
    dropped: int
    state: Finding
    group: int | None = None


class Sink(Protocol):
    """Where published frames go. One thread at a time writes."""

    def write(self, shot: Shot) -> None:
        """Take a frame; it may be kept. Raises OutputError if no more can be written; the other sinks continue."""


@runtime_checkable
class StateSink(Sink, Protocol):
    """A sink that also takes the states of live sources whose masks do not come."""

    def write_states(self, reports: Sequence[StateReport]) -> None:
        """Take a report of each source that is silent now: of one source at least every deadline, or every 100 ms.

        It is for the thread that writes, and raises as write().
        """
