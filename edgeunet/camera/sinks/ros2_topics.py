"""Masks, how sure they are, and their state as topics of ROS 2."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import NamedTuple

import numpy as np

from edgeunet.camera.frame import FrameHeader, Shot
from edgeunet.camera.ros2.messages import DIAGNOSTICS, IMAGE, DiagnosticArray, DiagnosticStatus, Image
from edgeunet.camera.ros2.opening import open_node
from edgeunet.camera.ros2.topics import topic_part
from edgeunet.camera.ros2.transport import Node, NodeError, Publication
from edgeunet.camera.state.mask_state import Finding, MaskState, StateReport
from edgeunet.errors import OutputError
from edgeunet.imaging.pixels import UInt8

DIAGNOSTICS_TOPIC = "/diagnostics"  # that ROS 2's own tools show: REP 107
EVERY_NS = 1_000_000_000  # there: at each change, and as often as others
OK, WARNING, ERROR, STALE = range(4)  # of diagnostic_msgs/DiagnosticStatus
LEVELS = {
    MaskState.FRESH: OK,
    MaskState.UNKNOWN: OK,
    MaskState.LOW_CONFIDENCE: WARNING,
    MaskState.UNFAMILIAR: WARNING,
    MaskState.LATE: WARNING,
    MaskState.FROZEN: ERROR,
    MaskState.NONE: STALE,
}


class _Topics(NamedTuple):
    """What is published of one source."""

    mask: Publication
    confidence: Publication | None
    state: Publication


class TopicPublisher:
    """Publishes for each mask, at the frame's size, with the frame's stamp and frame_id if it has a header:

    - TOPIC: sensor_msgs/Image, mono8, the class of each pixel.
    - TOPIC/confidence: the same of the probability of that class in 255ths, if the model gives it.
    - TOPIC/state: diagnostic_msgs/DiagnosticArray; also while no mask comes. At changes and every second on
      /diagnostics, too.

    Several sources: TOPIC/SOURCE, TOPIC/SOURCE/confidence, TOPIC/SOURCE/state. Use it in a `with`.
    """

    def __init__(self, topic: str, suffixes: Mapping[str, str], *, confidence: bool) -> None:
        """suffixes: by source, see routing.suffixes(). confidence: whether the model gives it from the start."""
        self._topic = topic
        self._parts = {source: topic_part(suffix or source) for source, suffix in suffixes.items()}
        self._frame_ids = dict(self._parts)  # until the source says another one
        self._confidence = confidence
        self._told: dict[str, tuple[MaskState, int]] = {}  # by source, what was last said on /diagnostics, and when
        self._node: Node | None = None

    def __enter__(self) -> TopicPublisher:
        """Raises OutputError if ROS 2 cannot be joined."""
        try:
            self._node = node = open_node()
            self._diagnostics = node.advertise(DIAGNOSTICS_TOPIC, DIAGNOSTICS)
            self._of = {source: self._advertised(node, part) for source, part in self._parts.items()}
        except NodeError as error:
            raise self._failed(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._node is not None:
            self._node.close()

    def write(self, shot: Shot) -> None:
        """Publish a mask and its state. Raises OutputError if the middleware fails."""
        topics = self._of[shot.source]
        header = shot.frame.header or FrameHeader(_wall_ns(shot.frame.captured_ns), self._frame_ids[shot.source])
        self._frame_ids[shot.source] = header.frame_id
        restore = shot.result.letterbox.restore_mask
        try:
            topics.mask.publish(_mono8(header, restore(shot.result.mask)))
            if shot.result.confidence is not None:
                confidence = topics.confidence or self._advertise_confidence(shot.source)
                confidence.publish(_mono8(header, restore(shot.result.confidence)))
            self._publish_state(shot.source, header, shot.state, shot.age_ns, _facts(shot))
        except NodeError as error:
            raise self._failed(error) from error

    def write_states(self, reports: Sequence[StateReport]) -> None:
        """Publish the states of silent sources, stamped now. Raises as write()."""
        try:
            for report in reports:
                header = FrameHeader(time.time_ns(), self._frame_ids[report.source])
                self._publish_state(report.source, header, report.finding, report.age_ns, {})
        except NodeError as error:
            raise self._failed(error) from error

    def _publish_state(
        self, source: str, header: FrameHeader, finding: Finding, age_ns: int | None, facts: Mapping[str, str]
    ) -> None:
        age = "" if age_ns is None else f"{age_ns / 1e6:.1f}"
        values = {"state": str(finding.state), "reason": finding.reason, "age_ms": age, **facts}
        given = tuple((key, value) for key, value in values.items() if value)
        name = f"edgeunet{self._topic}: {source}"
        status = DiagnosticStatus(LEVELS[finding.state], name, str(finding), source, given)
        message = DiagnosticArray(header, (status,)).to_bytes()
        self._of[source].state.publish(message)
        now = time.perf_counter_ns()
        state, said_ns = self._told.get(source, (None, 0))
        if state is not finding.state or now - said_ns >= EVERY_NS:
            self._told[source] = (finding.state, now)
            self._diagnostics.publish(message)

    def _advertised(self, node: Node, part: str) -> _Topics:
        base = self._base(part)
        confidence = node.advertise(f"{base}/confidence", IMAGE) if self._confidence else None
        return _Topics(node.advertise(base, IMAGE), confidence, node.advertise(f"{base}/state", DIAGNOSTICS))

    def _advertise_confidence(self, source: str) -> Publication:
        """Of a model that has taken over from one without it."""
        assert self._node is not None  # noqa: S101 - write() comes after __enter__()
        made = self._node.advertise(f"{self._base(self._parts[source])}/confidence", IMAGE)
        self._of[source] = self._of[source]._replace(confidence=made)
        return made

    def _base(self, part: str) -> str:
        return self._topic if len(self._parts) == 1 else f"{self._topic}/{part}"

    def _failed(self, error: NodeError) -> OutputError:
        return OutputError(f"--ros2 {self._topic}: {error}")


def _facts(shot: Shot) -> dict[str, str]:
    """The values of a mask's state, "" for what is not known."""
    confidence, familiarity = shot.result.mean_confidence, shot.result.familiarity
    return {
        "frame": str(shot.frame.number),
        "dropped": str(shot.dropped),
        "group": "" if shot.group is None else str(shot.group),
        "model": shot.result.model,
        "confidence": "" if confidence is None else f"{confidence:.3f}",
        "familiarity": "" if familiarity is None else f"{familiarity:.3f}",
    }


def _wall_ns(perf_counter_ns: int) -> int:
    """A time of time.perf_counter_ns() in nanoseconds since 1970."""
    return time.time_ns() - (time.perf_counter_ns() - perf_counter_ns)


def _mono8(header: FrameHeader, pixels: UInt8) -> bytes:
    """The message of uint8 [h, w]."""
    height, width = pixels.shape
    return Image(header, height, width, "mono8", 0, width, np.ascontiguousarray(pixels).reshape(-1).data).to_bytes()
