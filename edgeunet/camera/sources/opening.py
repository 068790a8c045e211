"""Opening a source by its address."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edgeunet.camera.sources.address import EXAMPLES, Address, in_flight, is_live
from edgeunet.camera.sources.capture.gstreamer import open_gst
from edgeunet.camera.sources.capture.v4l2 import open_device
from edgeunet.camera.sources.image_files import ImageSource
from edgeunet.camera.sources.network.mjpeg import whole_jpeg
from edgeunet.camera.sources.network.stream import open_stream
from edgeunet.camera.sources.reconnect import STALL_S, Reconnecting
from edgeunet.camera.sources.source import Source
from edgeunet.camera.sources.synthetic import SyntheticSource
from edgeunet.camera.sources.video.video_file import open_video
from edgeunet.errors import SourceError
from edgeunet.imaging.images import IMAGE_ENDINGS, is_still

__all__ = ["Reconnecting", "Source", "in_flight", "is_live", "open_source", "open_steady", "settle"]

SETTLE_S = 2.0  # until the others start; a source that comes later is taken as it comes


def open_source(address: str) -> Source:
    """Open a camera, a stream, a video, an image or a folder of images (see address.py for how they are written).

    Raises UsageError for an address that cannot be understood, SourceError if it is missing, empty, cut, of
    no format that can be decoded, or gives no picture, MissingDependencyError if it needs a part that is not there.
    """
    found = Address.parse(address)
    if found.kind == "v4l2":
        return open_device(found)
    if found.kind == "stream":
        return open_stream(found)
    if found.kind in ("gst", "csi"):
        return open_gst(found)
    if found.kind == "synthetic":
        return SyntheticSource(found)
    return _open_file(found)


def open_steady(address: str, notify: Callable[[str], None], *, stall_s: float = STALL_S, alone: bool = True) -> Source:
    """Open a source that does not end by a fault: a live one is reopened, see Reconnecting. Raises as open_source().

    alone=False: one of several. A live one that is off does not keep the others waiting and is tried again; it is
    opened in the background, call settle() before its properties are looked at.
    """
    if not is_live(address):
        return open_source(address)
    name = None if alone else Address.parse(address).name
    return Reconnecting(lambda: open_source(address), notify, stall_s=stall_s, name=name)


def settle(sources: Sequence[Source]) -> None:
    """Give those that are still being opened a moment, all of them together."""
    end = time.monotonic() + SETTLE_S
    for source in sources:
        if isinstance(source, Reconnecting):
            source.settle(end - time.monotonic())


def _open_file(found: Address) -> Source:
    path = Path(found.target)
    if not path.exists():
        raise SourceError(f"{found.name}: no such video file, image or folder; a source is {EXAMPLES}")
    if path.is_dir() or (is_still(path) and not _is_film(path)):
        return ImageSource(path)
    return open_video(path, found.name)


def _is_film(path: Path) -> bool:
    """Whether a JPEG has another behind it: plain MJPEG. A photo.jpg with a second picture is none."""
    if path.suffix.lower() in IMAGE_ENDINGS:
        return False
    data = path.read_bytes()
    first = whole_jpeg(data)
    return first is not None and whole_jpeg(data[len(first) :]) is not None
