"""Pictures in all encodings that are read, made by OpenCV from the same colours."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from edgeunet.camera.frame import FrameHeader
from edgeunet.camera.ros2.encodings import ENCODINGS, pixels_of
from edgeunet.camera.ros2.messages import Image
from edgeunet.errors import FrameError
from edgeunet.imaging.pixels import Pixels
from edgeunet.spec import BGR, PixelFormat
from tests.camera.ros2.network import image_of

GREY, FOUR, DEEP = PixelFormat(1), PixelFormat(4), PixelFormat(1, deep=True)
# Large patches: YUV keeps one colour for two or four pixels.
COLORS = np.array([[(200, 40, 30), (20, 180, 60)], [(128, 128, 128), (10, 60, 220)]], np.uint8)
PICTURE: Pixels = COLORS.repeat(8, axis=0).repeat(8, axis=1)
DEPTH: Pixels = np.arange(16 * 16, dtype=np.uint16).reshape(16, 16, 1) * 255
FOURTH: Pixels = np.concatenate([PICTURE, np.full((16, 16, 1), 9, np.uint8)], axis=2)


def yuv(encoding: str) -> Pixels:
    """Two bytes for each pixel, or the planes of NV12: the luminance, then the colours."""
    i420 = cv2.cvtColor(PICTURE, cv2.COLOR_BGR2YUV_I420)
    y, u, v = i420[:16], i420[16:20].reshape(8, 8), i420[20:].reshape(8, 8)
    if encoding.startswith("nv"):
        colors = np.stack([u, v] if encoding == "nv12" else [v, u], axis=-1).reshape(8, 16)
        return np.concatenate([y, colors])[..., None]
    color = np.stack([u, v], axis=-1).repeat(2, axis=0).reshape(16, 16)
    return np.stack([color, y] if encoding in ("yuv422", "uyvy") else [y, color], axis=-1)


def message(encoding: str, pad: int = 0) -> Image:
    plain = {
        "bgr8": PICTURE,
        "rgb8": PICTURE[..., ::-1],
        "bgra8": FOURTH,
        "rgba8": FOURTH[..., [2, 1, 0, 3]],
        "8UC3": PICTURE,
        "8UC4": FOURTH,
        "mono8": PICTURE[..., :1],
        "8UC1": PICTURE[..., :1],
        "mono16": DEPTH,
        "16UC1": DEPTH,
    }
    sent = plain[encoding] if encoding in plain else yuv(encoding)
    return replace(image_of(sent, encoding, pad=pad), height=16)


@pytest.mark.parametrize("pad", [0, 5])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_each_encoding_is_read(encoding: str, pad: int) -> None:
    pixels = pixels_of(message(encoding, pad), BGR)
    assert pixels is not None
    if encoding in ("mono16", "16UC1"):
        expected, tolerance = DEPTH, 0
    elif encoding in ("mono8", "8UC1"):
        expected, tolerance = PICTURE[..., :1], 0
    else:
        expected, tolerance = PICTURE, 0 if ENCODINGS[encoding].channels > 2 else 6
    assert (pixels.shape, pixels.dtype) == (expected.shape, expected.dtype)
    assert np.abs(pixels.astype(int) - expected.astype(int)).max() <= tolerance


@pytest.mark.parametrize("encoding", ["bgra8", "rgba8", "8UC4"])
def test_the_fourth_channel_stays_where_it_is_wanted(encoding: str) -> None:
    pixels = pixels_of(message(encoding), FOUR)
    assert pixels is not None
    assert np.array_equal(pixels, FOURTH)


def test_numbers_of_16_bits_in_the_other_order() -> None:
    image = replace(image_of(DEPTH.byteswap(), "mono16"), bigendian=1)
    pixels = pixels_of(image, DEEP)
    assert pixels is not None
    assert np.array_equal(pixels, DEPTH)


def test_what_needs_no_change_is_not_copied() -> None:
    for encoding in ("bgr8", "mono8"):
        image = message(encoding)
        pixels = pixels_of(image, BGR)
        assert pixels is not None
        assert np.shares_memory(pixels, np.asarray(image.data))


@pytest.mark.parametrize(
    ("encoding", "remedy"),
    [
        ("bayer_rggb8", "'bayer_rggb8', which is not read: image_proc's debayer_node makes bgr8 of it"),
        ("32FC1", "'32FC1', which is not read: publish bgr8, or one of bgr8, "),
        ("", "'of no encoding', which is not read"),
    ],
)
def test_other_encodings_are_refused_with_the_remedy(encoding: str, remedy: str) -> None:
    with pytest.raises(FrameError, match=remedy):
        pixels_of(replace(message("bgr8"), encoding=encoding), BGR)


@pytest.mark.parametrize(
    "change",
    [
        {"height": 0},
        {"width": 0},
        {"height": 17},
        {"width": 17},
        {"width": 20_000, "step": 60_000},
        {"height": 2**32 - 1},
        {"step": 47},
        {"step": 2**32 - 1},
        {"data": memoryview(b"")},
    ],
)
def test_a_message_that_contradicts_itself(change: dict[str, int]) -> None:
    assert pixels_of(replace(message("bgr8"), **change), BGR) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["yuyv", "nv12", "nv21"])
def test_half_a_pixel_of_colour(encoding: str) -> None:
    assert pixels_of(replace(message(encoding), width=15), BGR) is None
    if encoding != "yuyv":
        assert pixels_of(replace(message(encoding), height=15), BGR) is None


numbers = some.one_of(some.integers(0, 40), some.integers(0, 2**32 - 1))


@given(numbers, numbers, some.sampled_from([*ENCODINGS]), some.integers(0, 255), numbers, some.binary(max_size=3000))
def test_no_message_breaks_it(h: int, w: int, encoding: str, bigendian: int, step: int, data: bytes) -> None:
    image = Image(FrameHeader(0, ""), h, w, encoding, bigendian, step, memoryview(data))
    for wanted in (BGR, GREY, FOUR, DEEP):
        pixels = pixels_of(image, wanted)
        assert pixels is None or pixels.shape[:2] == (h, w)
