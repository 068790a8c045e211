"""The cameras of this machine and their modes, from the kernel, as v4l2-ctl does it; no package is needed.

Layout of the structures: linux/videodev2.h, the same on every 64-bit Linux.
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_CAPABILITY = struct.Struct("<16s32s32sIII12x")  # driver, card, bus, version, capabilities, device_caps
_FORMAT = struct.Struct("<III32sI16x")  # index, type, flags, description, pixelformat
_SIZE = struct.Struct("<IIIIIIIII8x")  # index, pixelformat, type, then width, height or minimum, maximum, step of each
_INTERVAL = struct.Struct("<IIIIIIIIIII8x")  # index, pixelformat, width, height, type, then fractions of a second
_QUERYCAP, _ENUM_FMT, _ENUM_FRAMESIZES, _ENUM_FRAMEINTERVALS = 0x80685600, 0xC0405602, 0xC02C564A, 0xC034564B
_CAPTURE, _CAPTURE_PLANES, _HAS_DEVICE_CAPS = 0x1, 0x1000, 0x8000_0000
_BUFFER, _BUFFER_PLANES = 1, 9  # V4L2_BUF_TYPE_VIDEO_CAPTURE, …_MPLANE
_DISCRETE = 1
_MOST = 256  # answers to one question; a driver with more is faulty
_CSI_DRIVERS = ("tegra-video", "tegra-camrtc-ca")  # sensors that nvarguscamerasrc reads

Ioctl = Callable[[int, int, bytearray], object]


@dataclass(frozen=True)
class CameraMode:
    """A pixel format and size of a camera, with its rates in fps; none if it does not say."""

    fourcc: str
    width: int  # pixels
    height: int
    rates: tuple[float, ...]


@dataclass(frozen=True)
class Camera:
    """A camera. address: what --source takes. problem: why its modes are not known, "" if they are."""

    address: str
    name: str
    modes: tuple[CameraMode, ...] = ()
    problem: str = ""


def list_cameras(folder: Path = Path("/dev"), ioctl: Ioctl | None = None) -> list[Camera]:
    """The cameras behind /dev/video*, by number; devices that only encode or carry metadata are left out.

    The CSI sensors of a Jetson are csi://0, csi://1, …: their device files deliver raw pictures.
    """
    ask = ioctl or _ioctl()
    cameras: list[Camera] = []
    sensors = 0
    for path in sorted(folder.glob("video[0-9]*"), key=lambda p: (len(p.name), p.name)):
        try:
            device = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        except OSError as error:
            remedy = "; sudo usermod -aG video $USER, then log in again" if error.errno == errno.EACCES else ""
            cameras.append(Camera(str(path), "", problem=f"{error.strerror}".lower() + remedy))
            continue
        try:
            described = _describe(device, ask)
        finally:
            os.close(device)
        if described is None:
            continue
        driver, name, modes = described
        if driver in _CSI_DRIVERS:
            cameras.append(Camera(f"csi://{sensors}", name, modes))
            sensors += 1
        else:
            cameras.append(Camera(str(path), name, modes))
    return cameras


def _describe(device: int, ask: Ioctl) -> tuple[str, str, tuple[CameraMode, ...]] | None:
    """(driver, name, modes) of a device that captures pictures; None for any other."""
    answer = bytearray(_CAPABILITY.size)
    try:
        ask(device, _QUERYCAP, answer)
    except OSError:  # no V4L2 device at all
        return None
    driver, card, _, _, whole, own = _CAPABILITY.unpack(answer)
    abilities = own if whole & _HAS_DEVICE_CAPS else whole
    if not abilities & (_CAPTURE | _CAPTURE_PLANES):
        return None
    buffer = _BUFFER if abilities & _CAPTURE else _BUFFER_PLANES
    modes = (
        CameraMode(_text(pixels.to_bytes(4, "little")), *size, tuple(_rates(device, ask, pixels, *size)))
        for pixels in _formats(device, ask, buffer)
        for size in _sizes(device, ask, pixels)
    )
    return _text(driver), _text(card), tuple(modes)


def _formats(device: int, ask: Ioctl, buffer: int) -> Iterator[int]:
    for answer in _answers(device, ask, _ENUM_FMT, _FORMAT, buffer):
        yield answer[4]


def _sizes(device: int, ask: Ioctl, pixels: int) -> Iterator[tuple[int, int]]:
    """Width and height of each size; of a range its smallest and its largest."""
    for answer in _answers(device, ask, _ENUM_FRAMESIZES, _SIZE, pixels):
        yield answer[3], answer[4] if answer[2] == _DISCRETE else answer[6]
        if answer[2] != _DISCRETE:
            yield answer[4], answer[7]
            return


def _rates(device: int, ask: Ioctl, pixels: int, width: int, height: int) -> Iterator[float]:
    """In fps; of a range the highest and the lowest."""
    for answer in _answers(device, ask, _ENUM_FRAMEINTERVALS, _INTERVAL, pixels, width, height):
        fractions = [answer[5:7]] if answer[4] == _DISCRETE else [answer[5:7], answer[7:9]]
        yield from (round(below / above, 3) for above, below in fractions if above)
        if answer[4] != _DISCRETE:
            return


def _answers(device: int, ask: Ioctl, request: int, layout: struct.Struct, *question: int) -> Iterator[tuple[int, ...]]:
    """The first, the second, …, until the driver has no more."""
    for index in range(_MOST):
        answer = bytearray(layout.size)
        struct.pack_into(f"<{1 + len(question)}I", answer, 0, index, *question)
        try:
            ask(device, request, answer)
        except OSError:  # EINVAL: no more; ENOTTY: the driver does not answer this
            return
        yield layout.unpack(answer)


def _ioctl() -> Ioctl:
    from fcntl import ioctl  # not on Windows

    return ioctl


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("utf-8", "replace").strip()
