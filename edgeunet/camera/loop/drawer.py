"""One source's masks on their way out: drawn and given to the sinks, in a thread that no other source shares."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from edgeunet.camera.frame import Frame, Shot
from edgeunet.camera.frame_queue import FrameQueue
from edgeunet.camera.loop.fan_out import FanOut
from edgeunet.camera.loop.reader import SourceReader
from edgeunet.camera.loop.watchdog import Watchdog
from edgeunet.camera.state.mask_state import Finding
from edgeunet.runtime.session import Result

WAITING = 2  # masks: one that is being handed over, and one more if drawing takes as long as inference


class MadeMask(NamedTuple):
    """A mask that is not drawn yet; the fields are those of Shot."""

    frame: Frame
    result: Result
    stages_ns: Mapping[str, int]
    age_ns: int
    state: Finding
    group: int | None


class Drawer:
    """Draws the masks of one source, and says its state while none comes.

    masks: those that wait. The loop makes the next mask of a source only when there is room: a picture that takes long
    to draw, or a sink that waits, holds up its own source and no other.
    """

    def __init__(
        self,
        reader: SourceReader,
        fan_out: FanOut,
        watchdog: Watchdog,
        has_room: Callable[[], None],
        *,
        legend: bool,
        plain: bool,
    ) -> None:
        """has_room: is called when a mask was taken. legend, plain: the pictures that sinks use, see reader.draw()."""
        self.masks: FrameQueue[MadeMask] = FrameQueue(WAITING)
        self._reader = reader
        self._fan_out = fan_out
        self._watchdog = watchdog
        self._has_room = has_room
        self._legend, self._plain = legend, plain

    def work(self) -> bool:
        """Until the masks end: True. Until every sink has failed: False."""
        while (mask := self.masks.get(self._until_report_s())) is not None or not self.masks.ended:
            if mask is not None:
                self._has_room()
                if self._fan_out:
                    with self._watchdog.watching("drawing and writing", mask.frame, self._reader.name):
                        self._write(mask)
            if (report := self._reader.states.report(time.perf_counter_ns())) is not None:
                self._fan_out.write_states([report])
            if self._fan_out.sinks and not self._fan_out:
                return False
        return True

    def _until_report_s(self) -> float | None:
        """Seconds until the source has been silent for so long that its state has to be said; None for never."""
        due_ns = self._reader.states.due_ns()
        return None if due_ns is None else max(0.0, (due_ns - time.perf_counter_ns()) / 1e9)

    def _write(self, mask: MadeMask) -> None:
        reader, frame = self._reader, mask.frame
        begin = time.perf_counter_ns()
        overlay, plain = reader.draw(frame, mask.result, mask.state.state, legend=self._legend, plain=self._plain)
        drawn = time.perf_counter_ns()
        shot = Shot(
            reader.name,
            frame,
            mask.result,
            overlay,
            plain,
            reader.time_of(frame),
            {"read": frame.read_ns, **mask.stages_ns, "draw": drawn - begin},
            mask.age_ns,
            reader.dropped,
            mask.state,
            mask.group,
        )
        self._fan_out.write(shot)
        reader.statistics.drawn(drawn - begin, time.perf_counter_ns() - drawn)
