"""Opening a source by its address."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from edgeunet.camera.sources.address import EXAMPLES, Address
from edgeunet.camera.sources.capture.gstreamer import open_gst
from edgeunet.camera.sources.capture.v4l2 import open_device
from edgeunet.camera.sources.image_files import ImageSource
from edgeunet.camera.sources.network.mjpeg import MjpegSource, whole_jpeg
from edgeunet.camera.sources.network.ros2_topic import TopicSource
from edgeunet.camera.sources.network.stream import open_stream
from edgeunet.camera.sources.pace import Pace
from edgeunet.camera.sources.reconnect import STALL_S, Reconnecting
from edgeunet.camera.sources.source import Source
from edgeunet.camera.sources.synthetic import SyntheticSource
from edgeunet.camera.sources.video.video_file import open_video
from edgeunet.errors import SourceError
from edgeunet.imaging.images import IMAGE_ENDINGS, is_still
from edgeunet.spec import BGR, PixelFormat

SETTLE_S = 2.0  # how long the others wait for a source that is slow to open


def open_source(text: str, pixels: PixelFormat = BGR) -> Source:
    """Open what an address in text names. Raises UsageError if it cannot be parsed, and as open_address()."""
    return open_address(Address.parse(text), pixels)


def open_address(
    address: Address, pixels: PixelFormat = BGR, notify: Callable[[str], None] = lambda line: None
) -> Source:
    """Open a camera, a stream, a topic, a video, an image or a folder of images.

    pixels: of the frames that are wanted. A file is read with them, a camera asked for them; reading a source that has
    others raises UnusableError. notify: gets a line for people about what a topic gives, in the thread that reads.
    Raises SourceError if it is missing, empty, cut, of an unknown format, or has no picture; MissingDependencyError if
    it needs an optional dependency that is not installed.
    """
    source = _opened(address, pixels, notify)
    source.wanted = pixels
    source.coded = address.coded and not isinstance(source, MjpegSource)
    return source


def _opened(address: Address, pixels: PixelFormat, notify: Callable[[str], None]) -> Source:
    if address.kind == "v4l2":
        return open_device(address, pixels)
    if address.kind == "stream":
        return open_stream(address)
    if address.kind in ("gst", "csi"):
        return open_gst(address)
    if address.kind == "synthetic":
        return SyntheticSource(address)
    if address.kind == "ros2":
        return TopicSource(address, pixels, notify)
    return _open_file(address, pixels)


def open_steady(
    address: Address,
    notify: Callable[[str], None],
    pixels: PixelFormat = BGR,
    *,
    stall_s: float = STALL_S,
    alone: bool = True,
) -> Source:
    """Open a source that survives faults: a live one is opened again, see Reconnecting. Raises as open_address().

    alone=False: one of several. A live one that is off does not keep the others waiting and is tried again: it opens in
    the background; call settle() before reading its properties. It has its share, see Pace.
    """
    if not address.live:
        return open_address(address, pixels)

    def opened() -> Source:
        source = open_address(address, pixels, notify)
        if source.live and not alone:
            source.pace = Pace(source.fps)
        return source

    return Reconnecting(opened, notify, stall_s=stall_s, name=None if alone else address.name)


def settle(sources: Iterable[Source]) -> None:
    """Wait a moment for the sources that are still opening, all together."""
    end = time.monotonic() + SETTLE_S
    for source in sources:
        if isinstance(source, Reconnecting):
            source.settle(end - time.monotonic())


def _open_file(address: Address, pixels: PixelFormat) -> Source:
    path = Path(address.target)
    if not path.exists():
        raise SourceError(f"{address.name}: no such video file, image or folder; a source is {EXAMPLES}")
    if path.is_dir() or (is_still(path) and not _is_film(path)):
        return ImageSource(path, pixels)
    return open_video(path, address.name, pixels)


def _is_film(path: Path) -> bool:
    """Whether a JPEG is followed by another: plain MJPEG. A photo.jpg with a second picture is not."""
    if path.suffix.lower() in IMAGE_ENDINGS:
        return False
    data = path.read_bytes()
    first = whole_jpeg(data)
    return first is not None and whole_jpeg(data[len(first) :]) is not None
