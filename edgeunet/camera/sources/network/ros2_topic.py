"""A topic of ROS 2 as a camera: sensor_msgs/Image, or JPEG and PNG where its name ends in /compressed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from edgeunet.camera.frame import FrameHeader
from edgeunet.camera.ros2.encodings import pixels_of
from edgeunet.camera.ros2.messages import COMPRESSED_IMAGE, IMAGE, CompressedImage, Image
from edgeunet.camera.ros2.opening import open_node
from edgeunet.camera.ros2.topics import COMPRESSED
from edgeunet.camera.ros2.transport import NodeError
from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.source import Source, UnusableError
from edgeunet.errors import FrameError, ImageError, SourceError
from edgeunet.imaging.image_header import MOST_PIXELS_STREAMED
from edgeunet.imaging.images import decode_image
from edgeunet.imaging.pixels import Pixels
from edgeunet.spec import PixelFormat

SLICE_S = 0.2  # of waiting, after which it looks whether it was interrupted
LOOK_NS = 1_000_000_000  # from one look at the publishers to the next
UNPUBLISHED_NS = 3_000_000_000  # nodes find each other within a second
BUFFER = Path("/proc/sys/net/core/rmem_max")  # bytes
WANTED = 16 << 20
OLDEST_NS = 5_000_000_000  # an older stamp, or one in the future, is from another clock


class TopicSource(Source):
    """The newest image of a topic.

    An image is captured when its stamp says, if that is by this machine's clock; else when it arrives, from then on.
    """

    live = True
    fps = 0.0
    size = (0, 0)  # until the first image

    def __init__(self, address: Address, pixels: PixelFormat, notify: Callable[[str], None]) -> None:
        """pixels: that are wanted. notify: gets a line for people, in the thread that reads.

        Raises SourceError if ROS 2 cannot be joined, MissingDependencyError if it is not installed.
        """
        super().__init__()
        self.name = address.name
        self._pixels = pixels
        self._notify = notify
        self._type = COMPRESSED_IMAGE if address.target.endswith(COMPRESSED) else IMAGE
        self._interrupted = threading.Event()
        self._told_of_several = False
        self._by_stamp = True
        self._told_of_buffer = False
        self._message: Image | CompressedImage | None = None
        self._capture_ns = 0
        self._seen_ns = time.perf_counter_ns()  # when a publisher was there
        self._looked_ns = self._seen_ns
        try:
            self._node = open_node()
            self._subscription = self._node.subscribe(address.target, self._type)
        except NodeError as error:
            raise SourceError(f"{self.name}: {error}") from error

    def _grab(self) -> bool:
        while not self._interrupted.is_set():
            try:
                data = self._subscription.take(SLICE_S)
                self._look_at_publishers()
            except NodeError as error:
                raise SourceError(f"{self.name}: {error}") from error
            if data is not None:
                self._tell_of_buffer(len(data))
                self._arrived(data)
                return True
        return False

    def _look_at_publishers(self) -> None:
        now = time.perf_counter_ns()
        if now - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = now
        types = self._subscription.publishers()
        if (count := types.count(self._type)) > 0:
            self._seen_ns = now
            if count > 1 and not self._told_of_several:
                self._told_of_several = True
                self._notify(
                    f"{self.name}: {count} nodes publish on it, and their images alternate: give each its own topic"
                )
        elif now - self._seen_ns > UNPUBLISHED_NS:
            raise SourceError(f"{self.name}: {self._missing(types)}")

    def _tell_of_buffer(self, size: int) -> None:
        """Linux drops what its buffer cannot hold, and then most images do not arrive, without an error."""
        if self._told_of_buffer:
            return
        self._told_of_buffer = True
        try:
            most = int(BUFFER.read_text())
        except (OSError, ValueError):  # not Linux
            return
        if size > most:
            self._notify(
                f"{self.name}: its images of {size / 1e6:.1f} MB do not fit into the receive buffer of "
                f"{most / 1e6:.1f} MB, so that many may be lost: sudo sysctl -w net.core.rmem_max={WANTED}"
            )

    def _missing(self, types: list[str]) -> str:
        if types:
            return f"its type is {types[0]}, and {self._type} is expected: `ros2 topic list -t` shows the types of all"
        return "no node publishes on it: check its name with `ros2 topic list`, and that ROS_DOMAIN_ID is the same"

    def _arrived(self, data: bytes) -> None:
        self._capture_ns = time.perf_counter_ns()
        try:
            self._message = (
                CompressedImage.from_bytes(data) if self._type == COMPRESSED_IMAGE else Image.from_bytes(data)
            )
        except ValueError:
            self._message = None
            return
        age_ns = time.time_ns() - self._message.header.stamp_ns
        if self._by_stamp and not 0 <= age_ns < OLDEST_NS:
            self._by_stamp = False
            self._notify(
                f"{self.name}: {_clock(self._message.header.stamp_ns, age_ns)}: the age of a mask counts from the "
                "arrival of its image"
            )
        if self._by_stamp:
            self._capture_ns -= age_ns

    def _captured_ns(self) -> int:
        return self._capture_ns

    def _frame_header(self) -> FrameHeader | None:
        return None if self._message is None else self._message.header

    def _retrieve(self) -> Pixels | None:
        try:
            if isinstance(self._message, CompressedImage):
                return decode_image(bytes(self._message.data), most_pixels=MOST_PIXELS_STREAMED)
            return None if self._message is None else pixels_of(self._message, self._pixels)
        except ImageError:
            return None
        except FrameError as error:
            raise UnusableError(f"{self.name}: {error}") from error

    def interrupt(self) -> None:
        self._interrupted.set()

    def close(self) -> None:
        self._node.close()


def _clock(stamp_ns: int, age_ns: int) -> str:
    if stamp_ns == 0:
        return "its images have no stamp"
    return f"its stamps are of another clock ({abs(age_ns) / 1e9:,.1f} s in the {'past' if age_ns > 0 else 'future'})"
