"""Image files read with the bits and channels that a model takes."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from edgeunet.errors import ImageError
from edgeunet.imaging.images import decode_image, read_image
from edgeunet.imaging.pixels import Pixels, with_channels
from edgeunet.spec import BGR, PixelFormat
from tests.pixel_datasets import BGR_DEEP, FOUR, FOUR_DEEP, GREY, KINDS, THERMAL, frame_for


def encoded(frame: Pixels, ending: str = ".png") -> bytes:
    how = [cv2.IMWRITE_WEBP_QUALITY, 101] if ending == ".webp" else []  # lossless
    return cv2.imencode(ending, frame, how)[1].tobytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", [".png", ".tiff"])
def test_all_bits_and_channels_that_are_wanted_are_kept(kind: str, ending: str) -> None:
    frame = frame_for(KINDS[kind])
    assert np.array_equal(decode_image(encoded(frame, ending), KINDS[kind]), frame)


def test_webp_and_netpbm_keep_them_too() -> None:
    four = frame_for(FOUR)
    read = decode_image(encoded(four, ".webp"), FOUR)
    assert np.array_equal(read[..., 3], four[..., 3])
    # A thermal camera's 14 bits, as Netpbm says them.
    grey = frame_for(THERMAL)
    head = f"P5 {grey.shape[1]} {grey.shape[0]} 16383\n".encode()
    assert np.array_equal(decode_image(head + grey.astype(">u2").tobytes(), THERMAL), grey)


@pytest.mark.parametrize("deep", [False, True])
def test_a_colour_file_becomes_grey_and_a_grey_one_is_repeated_as_a_cameras_frame(deep: bool) -> None:
    one, three = PixelFormat(1, deep=deep), PixelFormat(3, deep=deep)
    color, grey = frame_for(three), frame_for(one)
    assert np.array_equal(decode_image(encoded(color), one), with_channels(color, 1))
    assert np.array_equal(decode_image(encoded(grey), three), np.repeat(grey, 3, axis=2))


def test_of_what_is_not_wanted_nothing_changes() -> None:
    deep, four = frame_for(BGR_DEEP), frame_for(FOUR)
    assert np.array_equal(decode_image(encoded(deep), BGR), deep >> 8)
    assert np.array_equal(decode_image(encoded(frame_for(FOUR_DEEP)), FOUR), frame_for(FOUR_DEEP) >> 8)
    assert np.array_equal(decode_image(encoded(four), BGR), four[..., :3])
    assert np.array_equal(decode_image(encoded(four), GREY), with_channels(four[..., :3], 1))


@pytest.mark.parametrize("pixels", [FOUR, THERMAL])
def test_exif_turns_them_too(pixels: PixelFormat) -> None:
    stored = Image.open(io.BytesIO(encoded(frame_for(pixels))))
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    stored.save(file, "PNG", exif=exif)
    frame = frame_for(pixels)
    assert np.array_equal(decode_image(file.getvalue(), pixels), np.rot90(frame, -1))
    assert np.array_equal(decode_image(file.getvalue(), pixels, turn=False), frame)


@pytest.mark.parametrize("pixels", [FOUR, THERMAL, BGR_DEEP])
def test_an_eighth_keeps_them(pixels: PixelFormat, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(frame_for(pixels)))
    small = read_image(path, pixels, eighth=True)
    assert (small.shape, small.dtype) == ((9, 12, pixels.channels), np.dtype(pixels.dtype))
    assert abs(float(small.mean()) - float(frame_for(pixels).mean())) < 0.02 * float(small.mean())


@pytest.mark.parametrize(
    ("data", "pixels", "match"),
    [
        (encoded(frame_for(GREY)), THERMAL, "has 8 bits per channel, and levels are for frames of 16"),
        (encoded(frame_for(BGR), ".jpg"), BGR_DEEP, "has 8 bits per channel"),
        (encoded(frame_for(BGR)), FOUR, r"has 3 channel\(s\), and 4 are wanted"),
        (encoded(frame_for(GREY)), FOUR, r"has 1 channel\(s\), and 4 are wanted"),
        (encoded(np.zeros((8, 8), np.float32), ".tiff"), THERMAL, "has 32 bits per channel"),
    ],
)
def test_what_a_file_lacks_is_said_in_one_line(data: bytes, pixels: PixelFormat, match: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=match) as caught:
        read_image(path, pixels)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
