from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edgeunet.errors import ImageError
from edgeunet.imaging.mask_image import Mask, code_of, decode_mask, value_counts

Array = NDArray[Any]


def numbers(seed: int, largest: int, size: tuple[int, int] = (6, 9)) -> Array:
    """Values from 0 to `largest`, which occurs: uint8 [h, w]."""
    values = np.random.default_rng(seed).integers(0, largest + 1, size, np.uint8)
    values[0, 0] = largest
    return values


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def encoded(array: Array, ending: str = ".png") -> bytes:
    return bytes(cv2.imencode(ending, array)[1].tobytes())


def palette(mask: Array, colors: list[tuple[int, int, int]]) -> Image.Image:
    image = Image.fromarray(mask, "P")
    image.putpalette([channel for color in colors for channel in color])
    return image


COLORS = [(0, 0, 0), (200, 0, 0), (0, 200, 0), (7, 8, 9)]


def read(data: bytes) -> Array:
    mask = decode_mask(data)
    assert mask.numbers is not None
    return mask.numbers


@given(st.integers(0, 99), st.integers(1, 255), st.sampled_from([".png", ".tif", ".bmp", ".pgm"]))
def test_grey_levels_come_as_stored(seed: int, largest: int, ending: str) -> None:
    mask = numbers(seed, largest)
    found = decode_mask(encoded(mask, ending))
    assert np.array_equal(read(encoded(mask, ending)), mask)
    assert np.array_equal(found.colors, mask * np.int32(0x010101))
    assert np.array_equal(read(encoded(np.dstack([mask] * 3), ".png")), mask), "equal channels are one"


@given(st.integers(0, 99), st.integers(1, 255), st.sampled_from([np.uint16, np.int32, np.float32]))
def test_wider_values_that_fit_8_bits_are_read(seed: int, largest: int, kind: type[Any]) -> None:
    mask = numbers(seed, largest)
    assert np.array_equal(read(encoded(mask.astype(kind), ".tif")), mask)
    if kind is np.uint16:
        assert np.array_equal(read(encoded(mask.astype(kind))), mask)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array([[0, 256]], np.uint16), r"uint16 \(16-bit\) with values up to 256"),
        (np.array([[0, 7400]], np.uint16), r"uint16 \(16-bit\) with values up to 7400"),
        (np.dstack([np.array([[0, 300]], np.uint16)] * 2 + [np.array([[1, 2]], np.uint16)]), "values up to 300"),
        (np.array([[0, 0.5]], np.float32), "not whole numbers"),
        (np.array([[0, -1]], np.int32), "values down to -1"),
    ],
)
def test_what_8_bits_cannot_hold_is_refused_with_type_and_value(array: Array, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        decode_mask(encoded(array, ".tif"))


def test_8_bits_that_were_stretched_to_16_are_colours() -> None:
    mask = decode_mask(encoded(np.array([[0, 65535, 257]], np.uint16)))
    assert mask.numbers is None, "65535 is no class index"
    assert mask.colors.tolist() == [[0, 0xFFFFFF, 0x010101]]


@given(st.integers(0, 99), st.sampled_from(["PNG", "GIF", "BMP", "TIFF"]), st.integers(1, 3))
def test_a_palette_has_indices_and_colours(seed: int, kind: str, largest: int) -> None:
    mask = numbers(seed, largest)
    found = decode_mask(saved(palette(mask, COLORS), kind, **({"optimize": False} if kind == "GIF" else {})))
    assert found.numbers is not None
    assert np.array_equal(found.numbers, mask)
    assert np.array_equal(found.colors, np.array([code_of(c) for c in COLORS])[mask])
    assert found.colors_by_number() == {i: code_of(COLORS[i]) for i in np.unique(mask).tolist()}


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_are_class_indices_and_shades(bits: int) -> None:
    largest = (1 << bits) - 1
    mask = numbers(bits, largest, (4, 8))
    grey = Image.fromarray((mask * (255 // largest)).astype(np.uint8))
    files = [saved(grey.convert("1", dither=Image.Dither.NONE), kind) for kind in ("PNG", "TIFF", "BMP", "PPM")]
    # Pillow writes no PNG of 2 or 4 grey bits, but the same samples as a palette.
    packed = saved(palette(mask, [(i, i, i) for i in range(largest + 1)]), "PNG", bits=bits)
    files = files if bits == 1 else [without_palette(packed)]
    files.append(b"P5\n8 4\n%d\n" % largest + mask.tobytes())
    files.append(b"P2\n8 4\n%d\n" % largest + b" ".join(b"%d" % v for v in mask.ravel()) + b"\n")
    for data in files:
        found = decode_mask(data)
        assert found.numbers is not None
        assert np.array_equal(found.numbers, mask)
        assert set(np.unique(found.colors).tolist()) <= {round(i * 255 / largest) * 0x010101 for i in range(16)}


def without_palette(png: bytes) -> bytes:
    """The PNG as grey instead of palette colours."""
    at = png.index(b"IHDR")
    header = png[at : at + 13] + b"\0" + png[at + 14 : at + 17]
    png = png[:at] + header + struct.pack(">I", zlib.crc32(header)) + png[at + 21 :]
    begin = png.index(b"PLTE") - 4
    return png[:begin] + png[begin + 12 + int.from_bytes(png[begin : begin + 4], "big") :]


def rgba(mask: Array, color: Array, alpha: Array) -> Mask:
    return decode_mask(encoded(np.dstack([color, color, color, alpha]).astype(np.uint8)))


def test_alpha_is_the_mask_where_the_colours_say_nothing() -> None:
    mask = numbers(0, 1)
    white, opaque = np.full_like(mask, 255), np.full_like(mask, 255)
    assert np.array_equal(rgba(mask, white, 255 * mask).colors, 0xFFFFFF * mask.astype(np.int32))
    for alpha in (opaque, 255 * mask):  # the same everywhere, or what the colours tell already
        assert np.array_equal(rgba(mask, mask, alpha).colors, 0x010101 * mask.astype(np.int32))
    with pytest.raises(ImageError, match="alpha channel that varies apart from its colours"):
        rgba(mask, mask, 255 * numbers(1, 1))


def test_several_pages_are_no_mask() -> None:
    pages = [Image.fromarray(numbers(seed, 3)) for seed in range(3)]
    with pytest.raises(ImageError, match="has 3 pages or pictures"):
        decode_mask(saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))


@given(st.sampled_from(["PNG", "GIF", "BMP", "TIFF"]), st.sampled_from(["P", "L", "1", "RGBA"]), st.data())
def test_changed_bytes_end_in_a_mask_or_in_our_error(kind: str, mode: str, data: st.DataObject) -> None:
    raw = bytearray(saved(palette(numbers(0, 3), COLORS).convert(mode), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):
        mask = decode_mask(bytes(raw))
        assert mask.numbers is None or (mask.numbers.min() >= 0 and mask.numbers.max() <= 255)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "palette"])
def test_a_mask_is_turned_by_its_own_orientation_in_every_format_and_not_if_asked(kind: str, orientation: int) -> None:
    mask = numbers(0, 3)
    image = palette(mask, COLORS) if kind == "palette" else Image.fromarray(mask)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(image, "TIFF" if kind == "TIFF" else "PNG", exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    found = decode_mask(data)
    assert found.numbers is not None
    assert np.array_equal(found.numbers, shown)
    assert found.colors.shape == shown.shape
    plain = decode_mask(data, turn=False).numbers
    assert plain is not None
    assert np.array_equal(plain, mask)


def test_values_are_counted_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.random.default_rng(0).integers(0, 256, (40, 30), np.uint8)
    monkeypatch.setattr("edgeunet.imaging.mask_image._AT_ONCE", 100)
    assert np.array_equal(value_counts(mask), [np.count_nonzero(mask == value) for value in range(256)])
