"""The messages of ROS 2 that are read and written here, in the order of their fields (ros2/common_interfaces).

from_bytes() takes and to_bytes() gives what CDR sends, see cdr.py. Pixels are not copied on reading.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeunet.camera.frame import FrameHeader
from edgeunet.camera.ros2.cdr import CdrReader, CdrWriter

MessageType = Literal["sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage", "diagnostic_msgs/msg/DiagnosticArray"]
IMAGE: MessageType = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE: MessageType = "sensor_msgs/msg/CompressedImage"
DIAGNOSTICS: MessageType = "diagnostic_msgs/msg/DiagnosticArray"
SECOND = 1_000_000_000


@dataclass(frozen=True)
class Image:
    """sensor_msgs/Image.

    encoding: one of image_encodings.hpp, such as "bgr8". bigendian: of numbers of 16 bits. step: bytes from row to row.
    data: the rows.
    """

    header: FrameHeader
    height: int
    width: int
    encoding: str
    bigendian: int
    step: int
    data: memoryview

    @classmethod
    def from_bytes(cls, data: bytes) -> Image:
        """Raises ValueError if they are no such message."""
        cdr = CdrReader(data)
        header, height, width = _header_from(cdr), cdr.number("I"), cdr.number("I")
        return cls(header, height, width, cdr.text(), cdr.number("B"), cdr.number("I"), cdr.block())

    def to_bytes(self) -> bytes:
        cdr = CdrWriter()
        _header_to(cdr, self.header)
        cdr.number("I", self.height)
        cdr.number("I", self.width)
        cdr.text(self.encoding)
        cdr.number("B", self.bigendian)
        cdr.number("I", self.step)
        cdr.block(self.data)
        return cdr.message()


@dataclass(frozen=True)
class CompressedImage:
    """sensor_msgs/CompressedImage: a whole JPEG or PNG. format: for people, such as "bgr8; jpeg compressed bgr8"."""

    header: FrameHeader
    format: str
    data: memoryview

    @classmethod
    def from_bytes(cls, data: bytes) -> CompressedImage:
        """Raises ValueError if they are no such message."""
        cdr = CdrReader(data)
        return cls(_header_from(cdr), cdr.text(), cdr.block())

    def to_bytes(self) -> bytes:
        cdr = CdrWriter()
        _header_to(cdr, self.header)
        cdr.text(self.format)
        cdr.block(self.data)
        return cdr.message()


@dataclass(frozen=True)
class DiagnosticStatus:
    """diagnostic_msgs/DiagnosticStatus. level: 0 ok, 1 warning, 2 error, 3 stale. values: names and values."""

    level: int
    name: str
    message: str
    hardware_id: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class DiagnosticArray:
    """diagnostic_msgs/DiagnosticArray."""

    header: FrameHeader
    status: tuple[DiagnosticStatus, ...]

    @classmethod
    def from_bytes(cls, data: bytes) -> DiagnosticArray:
        """Raises ValueError if they are no such message."""
        cdr = CdrReader(data)
        header = _header_from(cdr)
        return cls(header, tuple(_status_from(cdr) for _ in range(cdr.number("I"))))

    def to_bytes(self) -> bytes:
        cdr = CdrWriter()
        _header_to(cdr, self.header)
        cdr.number("I", len(self.status))
        for status in self.status:
            cdr.number("B", status.level)
            for text in (status.name, status.message, status.hardware_id):
                cdr.text(text)
            cdr.texts(status.values)
        return cdr.message()


def _status_from(cdr: CdrReader) -> DiagnosticStatus:
    level, name, message, hardware_id = cdr.number("B"), cdr.text(), cdr.text(), cdr.text()
    values = tuple((cdr.text(), cdr.text()) for _ in range(cdr.number("I")))
    return DiagnosticStatus(level, name, message, hardware_id, values)


def _header_from(cdr: CdrReader) -> FrameHeader:
    return FrameHeader(cdr.number("i") * SECOND + cdr.number("I"), cdr.text())


def _header_to(cdr: CdrWriter, header: FrameHeader) -> None:
    seconds, nanoseconds = divmod(header.stamp_ns, SECOND)
    cdr.number("i", seconds)
    cdr.number("I", nanoseconds)
    cdr.text(header.frame_id)
