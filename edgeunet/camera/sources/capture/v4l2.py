"""A camera of this machine that the kernel's V4L2 drives: USB cameras, capture cards."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import cv2

from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.capture.opencv import CaptureSource, silence
from edgeunet.errors import SourceError
from edgeunet.spec import BGR, PixelFormat

DEEP, GREY = "Y16 ", "GREY"  # V4L2's formats of one channel, of 16 and of 8 bits
OLDEST_S = 5.0  # an older stamp, or one in the future, is from another clock


class DeviceSource(CaptureSource):
    """Frames with the driver's own time of capture, where it stamps them by the monotonic clock, as most do."""

    def _captured_ns(self) -> int:
        now = time.perf_counter_ns()  # Linux: the monotonic clock, in which drivers stamp
        stamp = int(self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        return stamp if 0 <= now - stamp < OLDEST_S * 1e9 else now


def open_device(address: Address, pixels: PixelFormat = BGR) -> DeviceSource:
    """Open a camera and ask it for a size, a rate and a format, if given; for 16 bits it is asked for Y16 if not.

    Raises SourceError if it is not there, is in use, or lacks the size or format.
    """
    path = Path(address.target)
    if Path("/dev").is_dir() and not path.exists():
        present = ", ".join(sorted(str(p) for p in Path("/dev").glob("video*"))) or "no camera at all"
        raise SourceError(f"{address.name} is not there; this machine has {present}")
    silence()
    # Without V4L2 (macOS) the number counts.
    capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2) if path.exists() else _by_number(path)
    if not capture.isOpened():
        raise SourceError(
            f"{address.name} cannot be opened: check that no other program uses it, and that you are in the group video"
        )
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # the driver's queue of 4 would hold old frames
    if pixels.deep and address.fourcc is None:
        address = replace(address, fourcc=DEEP)
    if address.fourcc is not None:  # before the size: which sizes there are depends on it
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*address.fourcc))
    if address.width is not None and address.height is not None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, address.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, address.height)
    if address.fps is not None:
        capture.set(cv2.CAP_PROP_FPS, address.fps)
    if pixels.deep or address.fourcc == GREY:  # as BGR, 16 bits would be cut to 8
        capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    source = DeviceSource(capture, address.name)
    try:
        _require_mode(capture, address, source.size)
    except SourceError:
        source.close()
        raise
    return source


def _by_number(path: Path) -> cv2.VideoCapture:
    return cv2.VideoCapture(int(path.name.removeprefix("video") or 0), cv2.CAP_ANY)


def _require_mode(capture: cv2.VideoCapture, address: Address, size: tuple[int, int]) -> None:
    """A driver that lacks a mode uses the nearest one and reports nothing."""
    modes = "see `edgeunet camera --list` for its modes"
    if address.width is not None and size != (address.height, address.width):
        raise SourceError(
            f"{address.name} delivers {size[1]}×{size[0]} instead of {address.width}×{address.height} pixels: {modes}"
        )
    got = int(capture.get(cv2.CAP_PROP_FOURCC))
    if address.fourcc is not None and got != cv2.VideoWriter.fourcc(*address.fourcc):
        text = got.to_bytes(4, "little", signed=True).decode("ascii", "replace")
        raise SourceError(f"{address.name} delivers {text} instead of {address.fourcc}: {modes}")
