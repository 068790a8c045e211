"""Whether a video file is complete: FFmpeg plays a cut file up to the gap and reports nothing.

A length in a file counts only if it can be true: recorders that write to a pipe, or were killed, do not fill it in, and
bytes after the index and the pictures do not matter.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

from edgeunet.errors import SourceError

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

_BROADCAST = ("mpegts", "mpeg", "mpegvideo")  # formats in which pictures get lost on the way
_SMALLEST = 8  # bytes that a frame takes at least, in the index alone
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_FLV_LENGTH = b"\0\x08filesize\0"  # in onMetaData, before a number in AMF
_OPEN = (0, 0xFFFFFFFF)  # sizes of a file that was written to a pipe, or not to its end
_SLACK_S = 0.5  # of a length in seconds: sound may end later than the pictures


class Completeness:
    """Follows the packets and frames of one track of a container that is being read.

    frames: how many the file says it has, None if it does not. broadcast: damage is usual in this format. has_times:
    its times are those at which frames are shown (an AVI has the order in which they are stored). sized: its length in
    bytes is known, as it may not be behind http://. broken: what ended the reading early, "" if nothing did.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, head: bytes = b"") -> None:
        """head: the first bytes of the file, if they are at hand."""
        kind = container.format.name
        counted = stream.frames if 0 < stream.frames * _SMALLEST <= container.size else 0
        step_s = 1 / float(stream.average_rate or stream.guessed_rate or 25)
        self.broken = ""
        self.broadcast = kind in _BROADCAST
        self.has_times = kind != "avi"  # which numbers frames in stored order
        self._size = container.size  # in bytes
        self._index = stream.index_entries if "mov" in kind and stream.frames > 0 else ()
        self._duration_s = (container.duration or 0) / 1e6 if "mov" not in kind else 0.0
        # Other formats' lengths in seconds are often wrong: they count only if bytes are missing too.
        self._length_s = counted * step_s if kind == "avi" else 0.0
        # Inside a packet, or before its end. A body without a length may end anywhere.
        self.sized = container.size > 0
        self._ends_inside = not self.sized or declared_end(head) > container.size
        self._step_s = step_s
        self._slack_s = 2 * step_s + (_SLACK_S if len(container.streams) > 1 else 0)
        steady = stream.average_rate is not None and stream.average_rate == stream.base_rate
        exact = steady and ("matroska" in kind or "mov" in kind)
        guess = round(_length_s(container, stream) / step_s) if exact else 0
        estimate = guess if guess * _SMALLEST <= container.size else 0
        shown = sum(not entry.is_discard for entry in self._index)  # an edit list may hide some
        self.frames = shown or counted or estimate or None
        self._stream = stream
        self._packets = 0
        self._begin_s: float | None = None  # of all that was read, by the container's clock
        self._end_s = 0.0
        self._failed = False
        self._lost = False  # a picture is there in part
        self._waiting: set[int] = set()  # times of packets whose frames have not been shown
        self._started = False

    def require_index_inside(self, name: str) -> None:
        """Raise SourceError if the index of an MP4 lists pictures after the end of the file."""
        end = max((entry.pos + entry.size for entry in self._index), default=0)
        if self._size > 0 and end > self._size:
            raise SourceError(
                f"{name} is cut: the last {end - self._size:,} of its {end:,} bytes are missing; "
                f"copy it again, or save what is there with `ffmpeg -i {name} -c copy saved.mp4`"
            )

    def take(self, packet: Packet[Any]) -> bool:
        """Whether the decoder gets a packet: of this track, and whole."""
        cut = packet.is_corrupt and not self.broadcast  # the file ends in it
        if packet.pts is not None and packet.time_base is not None and not cut:
            begin_s = float(packet.pts * packet.time_base)
            self._begin_s = begin_s if self._begin_s is None else min(self._begin_s, begin_s)
            self._end_s = max(self._end_s, begin_s + float((packet.duration or 0) * packet.time_base))
        if packet.stream is not self._stream:
            return False
        if packet.size == 0:  # the last one flushes the decoder
            return packet.pts is None and packet.dts is None
        if cut:
            self._ends_inside = self._lost = True
            return False
        self._packets += 1
        if packet.pts is not None and not packet.is_discard:
            self._waiting.add(packet.pts)
        return True

    def failed(self) -> None:
        """The decoder or the container reported an error."""
        self._failed = True

    def shown(self, frame: VideoFrame) -> VideoFrame:
        """Note a decoded frame, and return it."""
        if not self._started:  # errors before the first frame: the start was cut off on purpose
            self._started, self._failed = True, False
        if frame.pts is not None:
            self._waiting.discard(frame.pts)
            if not self._failed:
                self._waiting = {pts for pts in self._waiting if pts > frame.pts}
        return frame

    def require_complete(self, name: str, number: int, frame: VideoFrame | None) -> None:
        """Raise SourceError if something is missing before `frame`, which has this number; None: before the end."""
        complete = len(self._index) > 0 and self._packets == len(self._index)
        if frame is None and self.broken and not complete:
            raise SourceError(f"{name} broke off after {number} frames ({self.broken}): copy it again, or try again")
        if self.broadcast:
            return
        if frame is not None:
            lacking = self._failed and self.has_times and any(pts < (frame.pts or 0) for pts in self._waiting)
        else:
            lacking = self._failed and bool(self._waiting)
            slack_s = 1.5 * self._step_s if self._ends_inside else self._slack_s
            pause_s = 2 * (self._end_s - (self._begin_s or 0.0)) / max(1, self._packets)
            lacking |= self._packets < len(self._index) or self._end_s + slack_s < self._length_s
            lacking |= self._lost and max(self._length_s, self._duration_s) > 0
            lacking |= self._ends_inside and self._end_s + max(slack_s, pause_s) < self._duration_s
        if lacking:
            expected = f" of {self.frames}" if self.frames else ""
            raise SourceError(
                f"{name} is damaged at frame {number}{expected}: it is cut there, or cannot be decoded; "
                f"copy it again; `edgeunet camera` takes what comes before with --max-frames {number}"
            )


def _length_s(container: InputContainer, stream: VideoStream) -> float:
    """How long the pictures last, in seconds; 0.0 if the container does not say. Sound may last longer."""
    found = re.fullmatch(r"(\d{1,4}):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", ""))  # Matroska's
    begin_s = (
        (container.start_time or 0) / 1e6 if "matroska" in container.format.name else 0.0
    )  # its duration is the end
    if found:
        return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) - begin_s
    return (container.duration or 0) / 1e6 - begin_s if len(container.streams) == 1 else 0.0


def declared_end(head: bytes) -> int:
    """The length in bytes that the head of a file declares; 0 if it declares none."""
    if head.startswith(b"RIFF"):  # an AVI; of a large one its first part
        size = int.from_bytes(head[4:8], "little")
        return 0 if size in _OPEN else 8 + size
    if head.startswith(b"FLV"):
        _, _, number = head.partition(_FLV_LENGTH)
        length = struct.unpack(">d", number[:8])[0] if len(number) >= 8 else 0.0
        return int(length) if 0 < length < 2**63 else 0
    return _segment_end(head) if head.startswith(_EBML) else 0


def _segment_end(head: bytes) -> int:
    """The length that a Matroska file declares (RFC 8794, section 6); 0 if it declares none."""
    at = len(_EBML)
    size, begin = _element_size(head, at)
    at = begin + size
    if head[at : at + len(_SEGMENT)] != _SEGMENT:
        return 0
    size, begin = _element_size(head, at + len(_SEGMENT))
    return begin + size if size else 0


def _element_size(head: bytes, at: int) -> tuple[int, int]:
    """(size in bytes, 0 for "unknown"; where the body begins) of an EBML element."""
    zeros = 8 - (head[at] if at < len(head) else 0).bit_length()
    width = zeros + 1  # bytes
    mask = (1 << 7 * width) - 1
    size = int.from_bytes(head[at : at + width], "big") & mask
    return 0 if size == mask else size, at + width
