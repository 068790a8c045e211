"""The list of cameras, asked of a fake kernel: it packs its answers as linux/videodev2.h lays them out."""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edgeunet.board.cameras import Camera, CameraMode, list_cameras

U32, BYTE = ctypes.c_uint32, ctypes.c_char


class Capability(ctypes.Structure):
    _fields_ = (
        ("driver", BYTE * 16),
        ("card", BYTE * 32),
        ("bus_info", BYTE * 32),
        ("version", U32),
        ("capabilities", U32),
        ("device_caps", U32),
        ("reserved", U32 * 3),
    )


class Format(ctypes.Structure):
    _fields_ = (
        ("index", U32),
        ("type", U32),
        ("flags", U32),
        ("description", BYTE * 32),
        ("pixelformat", U32),
        ("mbus_code", U32),
        ("reserved", U32 * 3),
    )


class FrameSize(ctypes.Structure):
    _fields_ = (("index", U32), ("pixel_format", U32), ("type", U32), ("values", U32 * 6), ("reserved", U32 * 2))


class FrameInterval(ctypes.Structure):
    _fields_ = (
        ("index", U32),
        ("pixel_format", U32),
        ("width", U32),
        ("height", U32),
        ("type", U32),
        ("values", U32 * 6),
        ("reserved", U32 * 2),
    )


def number(direction: int, code: int, layout: type[ctypes.Structure]) -> int:
    """The kernel's _IOC(direction, 'V', code, size)."""
    return direction << 30 | ctypes.sizeof(layout) << 16 | ord("V") << 8 | code


QUERYCAP, ENUM_FMT = number(2, 0, Capability), number(3, 2, Format)
SIZES, INTERVALS = number(3, 74, FrameSize), number(3, 75, FrameInterval)
DISCRETE, STEPWISE = 1, 3
CAPTURE, PLANES, METADATA = 0x1, 0x1000, 0x80_0000
SizesOf = dict[str, Sequence[tuple[int, tuple[int, ...], Sequence[tuple[int, tuple[int, ...]]]]]]


class FakeKernel:
    """Answers as a driver does, by the name of the device file."""

    def __init__(self, folder: Path, devices: dict[str, tuple[str, str, int, SizesOf]]) -> None:
        self._devices = devices
        self.folder = folder
        for name in devices:
            (folder / name).touch()

    def __call__(self, descriptor: int, request: int, buffer: bytearray) -> object:
        driver, card, abilities, formats = self._devices[Path(f"/proc/self/fd/{descriptor}").resolve().name]
        if request == QUERYCAP:
            if not driver:
                raise OSError(errno.ENOTTY, "not a V4L2 device")
            answer: Any = Capability.from_buffer(buffer)
            answer.driver, answer.card = driver.encode(), card.encode()
            answer.capabilities, answer.device_caps = 0x8000_0000 | CAPTURE | METADATA, abilities
        elif request == ENUM_FMT:
            answer = Format.from_buffer(buffer)
            assert answer.type == (9 if abilities & PLANES else 1)
            answer.pixelformat = int.from_bytes(self._at(list(formats), answer.index).encode(), "little")
        elif request == SIZES:
            answer = FrameSize.from_buffer(buffer)
            sizes = formats[answer.pixel_format.to_bytes(4, "little").decode()]
            answer.type, answer.values[:], _ = self._padded(self._at(sizes, answer.index))
        else:
            assert request == INTERVALS
            answer = FrameInterval.from_buffer(buffer)
            sizes = formats[answer.pixel_format.to_bytes(4, "little").decode()]
            rates = next(r for _, s, r in sizes if answer.width in s and answer.height in s)
            answer.type, answer.values[:], _ = self._padded((*self._at(rates, answer.index), ()))
        return 0

    @staticmethod
    def _at(values: Sequence[Any], index: int) -> Any:
        if index >= len(values):
            raise OSError(errno.EINVAL, "no more")
        return values[index]

    @staticmethod
    def _padded(value: tuple[int, tuple[int, ...], Any]) -> tuple[int, tuple[int, ...], Any]:
        return value[0], (*value[1], 0, 0, 0, 0)[:6], value[2]


def test_structures_are_the_kernels() -> None:
    """The numbers of <linux/videodev2.h> in C."""
    assert (QUERYCAP, ENUM_FMT, SIZES, INTERVALS) == (0x80685600, 0xC0405602, 0xC02C564A, 0xC034564B)
    assert (Capability.device_caps.offset, Format.pixelformat.offset) == (88, 44)
    assert (FrameSize.values.offset, FrameInterval.values.offset) == (12, 20)


def test_cameras_are_listed_with_their_modes(tmp_path: Path) -> None:
    at_30 = [(DISCRETE, (1, 30)), (DISCRETE, (1001, 15_000))]
    kernel = FakeKernel(
        tmp_path,
        {
            "video0": (
                "uvcvideo",
                "HD Webcam",
                CAPTURE,
                {
                    "MJPG": [(DISCRETE, (1280, 720), at_30), (DISCRETE, (640, 480), at_30[:1])],
                    "YUYV": [(DISCRETE, (640, 360), [])],
                },
            ),
            "video1": ("uvcvideo", "HD Webcam", METADATA, {}),
            "video2": ("", "", 0, {}),
            "video10": (
                "isp",
                "Board",
                PLANES,
                {"NV12": [(STEPWISE, (32, 4096, 2, 16, 2160, 4), [(STEPWISE, (1, 60, 1, 5, 1, 1))])]},
            ),
        },
    )
    assert list_cameras(tmp_path, kernel) == [
        Camera(
            f"{tmp_path}/video0",
            "HD Webcam",
            (
                CameraMode("MJPG", 1280, 720, (30.0, 14.985)),
                CameraMode("MJPG", 640, 480, (30.0,)),
                CameraMode("YUYV", 640, 360, ()),
            ),
        ),
        Camera(
            f"{tmp_path}/video10",
            "Board",
            (CameraMode("NV12", 32, 16, (60.0, 5.0)), CameraMode("NV12", 4096, 2160, (60.0, 5.0))),
        ),
    ]


def test_sensors_of_a_jetson_are_given_as_csi(tmp_path: Path) -> None:
    raw: SizesOf = {"RG10": [(DISCRETE, (3280, 2464), [(DISCRETE, (1, 21))])]}
    kernel = FakeKernel(
        tmp_path,
        {
            "video0": ("tegra-video", "vi-output, imx219 9-0010", CAPTURE, raw),
            "video1": ("uvcvideo", "Webcam", CAPTURE, {}),
            "video2": ("tegra-video", "vi-output, imx219 10-0010", CAPTURE, raw),
        },
    )
    cameras = list_cameras(tmp_path, kernel)
    assert [camera.address for camera in cameras] == ["csi://0", f"{tmp_path}/video1", "csi://1"]
    assert cameras[0].modes == (CameraMode("RG10", 3280, 2464, (21.0,)),)


def test_camera_that_may_not_be_opened_is_listed_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = FakeKernel(tmp_path, {"video0": ("uvcvideo", "Webcam", CAPTURE, {})})

    def forbidden(path: Path, flags: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("edgeunet.board.cameras.os.open", forbidden)
    (camera,) = list_cameras(tmp_path, kernel)
    assert camera.address == f"{tmp_path}/video0"
    assert "permission denied; sudo usermod -ag video" in camera.problem.lower()


def test_real_kernel_is_asked_too(tmp_path: Path) -> None:
    """A plain file is no camera, and says so by the real ioctl; the cameras of this machine, if any, are described."""
    (tmp_path / "video0").touch()
    assert list_cameras(tmp_path) == []
    assert all(camera.modes or camera.problem or camera.name for camera in list_cameras())
