from __future__ import annotations

import contextlib
import io
import os
import resource
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edgeunet.errors import ImageError
from edgeunet.imaging.image_header import read_header
from edgeunet.imaging.images import decode_image, images_in, is_still, read_image
from edgeunet.imaging.letterbox import UInt8

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "AVIF", "JPEG2000", "PPM")
EXACT = ("PNG", "BMP", "TIFF", "PPM")
MODES = ("1", "L", "P", "LA", "RGB", "RGBA", "I;16", "CMYK")
BEGINS = (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"GIF89a", b"P6 ")


def picture(seed: int = 0, size: tuple[int, int] = (24, 40)) -> UInt8:
    """Large blocks of colours, which lossy formats keep well: uint8 [h, w, 3] RGB."""
    blocks = np.random.default_rng(seed).integers(0, 256, (-(-size[0] // 8), -(-size[1] // 8), 3), np.uint8)
    return np.kron(blocks, np.ones((8, 8, 1), np.uint8))[: size[0], : size[1]]


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def opencv(data: bytes) -> UInt8 | None:
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return None if decoded is None else np.asarray(decoded, np.uint8)


@given(st.integers(0, 99), st.tuples(st.integers(1, 40), st.integers(1, 40)), st.sampled_from(MODES))
def test_every_format_comes_as_opencv_decodes_it(seed: int, size: tuple[int, int], mode: str) -> None:
    image = Image.fromarray(picture(seed, size))
    image = image.convert("L").convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)
    written = 0
    for kind in FORMATS:
        try:
            data = saved(image, kind)
        except (OSError, ValueError):  # a format without that mode
            continue
        written += 1
        header = read_header(data)
        assert (header.height, header.width, header.frames) == (*size, 1)
        assert (header.bits, header.palette) == (
            {"1": 1, "I;16": 16}.get(mode, 8) if kind in EXACT else header.bits,
            mode == "P" if kind in ("PNG", "TIFF") else header.palette,
        )
        decoded = decode_image(data)
        assert decoded.shape == (*size, 3)
        assert decoded.dtype == np.uint8
        if (expected := opencv(data)) is not None:
            assert np.array_equal(decoded, expected)
        if kind in EXACT and mode in ("RGB", "RGBA"):
            assert np.array_equal(decoded[..., ::-1], picture(seed, size))
    assert written >= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_exif_turns_a_picture_or_does_not(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = picture()
    image = Image.fromarray(stored)
    image.info["exif"] = exif.tobytes()
    data = saved(Image.fromarray(stored), kind, exif=exif)
    assert read_header(data).orientation == orientation
    upright = np.asarray(ImageOps.exif_transpose(image), np.uint8)
    for turn, expected in ((True, upright), (False, stored)):
        decoded = decode_image(data, turn=turn)[..., ::-1]
        assert decoded.shape == expected.shape
        assert np.abs(decoded.astype(int) - expected).mean() < 12


def test_what_opencv_lacks_is_decoded_by_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = Image.fromarray(picture()).convert("L").convert("I").point(lambda v: v * 256).convert("I;16")
    data = {"GIF": saved(Image.fromarray(picture()).convert("P"), "GIF"), "PNG": saved(grey, "PNG")}
    wanted = {kind: opencv(d) for kind, d in data.items()}
    monkeypatch.setattr("edgeunet.imaging.images.decode", lambda data, how: None)
    for kind, expected in wanted.items():
        assert np.array_equal(decode_image(data[kind]), np.asarray(expected))
    assert decode_image(data["GIF"], eighth=True).shape == (3, 5, 3)


def require_picture_or_our_error(data: bytes) -> None:
    with contextlib.suppress(ImageError):
        assert decode_image(data, most_pixels=1 << 16).dtype == np.uint8


@given(st.sampled_from(FORMATS), st.data())
def test_changed_bytes_end_in_a_picture_or_in_our_error(kind: str, data: st.DataObject) -> None:
    raw = bytearray(saved(Image.fromarray(picture()), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for mutated in (bytes(raw), bytes(raw[:cut])):
        require_picture_or_our_error(mutated)


@given(st.binary(max_size=200), st.sampled_from(BEGINS))
def test_any_bytes_end_in_a_picture_or_in_our_error(body: bytes, begin: bytes) -> None:
    require_picture_or_our_error(begin + body)


def claiming(width: int, height: int) -> dict[str, bytes]:
    """Small files that claim a size."""
    jpeg = saved(Image.fromarray(picture()), "JPEG")
    at = jpeg.index(b"\xff\xc0") + 5
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    return {
        "JPEG": jpeg[:at] + struct.pack(">HH", height, width) + jpeg[at + 4 :],
        "PNG": b"\x89PNG\r\n\x1a\n" + chunk,
        "GIF": b"GIF89a" + struct.pack("<HH", width, height) + b"\x80\0\0" + bytes(6) + b"\x3b",
        "PNM": b"P6\n%d %d\n255\n" % (width, height),
    }


@pytest.mark.parametrize("kind", claiming(1, 1))
def test_a_small_file_that_claims_a_huge_picture_costs_nothing(kind: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match="has 32000x32000 pixels in its header, more than"):
        decode_image(claiming(32000, 32000)[kind])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "PNM"])
def test_a_file_that_is_too_small_for_its_picture_is_cut(kind: str) -> None:
    with pytest.raises(ImageError, match=r"is cut: its .* bytes cannot hold the 9000x9000 pixels"):
        decode_image(claiming(9000, 9000)[kind])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_pictures_of_one_colour_are_whole_however_small_their_files(kind: str, mode: str) -> None:
    options: dict[str, dict[str, Any]] = {"JPEG": {"progressive": True, "quality": 1}, "PNG": {"compress_level": 9}}
    if mode == "1" and kind in ("JPEG", "WEBP"):
        return
    compression = {"1": "group4", "L": "tiff_lzw", "RGB": "tiff_adobe_deflate"}[mode]
    options["TIFF"] = {"compression": compression}
    data = saved(Image.new(mode, (3000, 2000)), kind, **options.get(kind, {}))
    assert decode_image(data).shape == (2000, 3000, 3)


def test_a_part_of_a_png_that_claims_more_than_the_file_has_costs_nothing() -> None:
    data = saved(Image.fromarray(picture()), "PNG")
    end = data[:-12] + b"\xff" + data[-11:]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for damaged in (end, data[:-1], data[: len(data) // 2]):
        with pytest.raises(ImageError, match="is cut or damaged: a part of it claims more bytes than the file has"):
            decode_image(damaged)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
    assert np.array_equal(decode_image(data + b"appended"), picture()[..., ::-1])


def tags_that_claim(count: int, size: int) -> bytes:
    """A TIFF directory of tags, each of which says that it has `size` bytes: they all lie over each other."""
    entries = b"".join(struct.pack("<HHII", 40_000 + i % 20_000, 7, size, 8) for i in range(count))
    return b"II*\0" + struct.pack("<IH", 8, count) + entries + bytes(4) + bytes(max(0, size - 12 * count))


def test_tags_that_claim_more_than_the_file_has_cost_nothing() -> None:
    tags = tags_that_claim(5000, 60_000)
    exif = b"Exif\0\0" + tags
    picture_of = {kind: saved(Image.fromarray(picture()), kind) for kind in ("JPEG", "PNG", "WEBP", "AVIF")}
    jpeg = picture_of["JPEG"]
    chunk = struct.pack(">I", len(tags)) + b"eXIf" + tags + struct.pack(">I", zlib.crc32(b"eXIf" + tags))
    at = picture_of["PNG"].index(b"IDAT") - 4
    files = {
        "tags.jpg": jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:],
        "tags.png": picture_of["PNG"][:at] + chunk + picture_of["PNG"][at:],
        "tags.tif": tags,
    }
    for kind in ("AVIF", "WEBP"):  # Pillow would read the tags to write them: none of them first
        none = exif[:14] + bytes(2) + exif[16:]
        files[kind] = saved(Image.fromarray(picture()), kind, exif=none).replace(none[6:16], exif[6:16])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for data in files.values():
        with contextlib.suppress(ImageError):
            assert decode_image(data).shape == (24, 40, 3)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


@pytest.mark.parametrize("name", [b"a\xff.png", b"caf\xe9.png", b"%d #?.png"])
def test_any_name_can_be_read(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(saved(Image.fromarray(picture()), "PNG"))
    assert np.array_equal(read_image(path)[..., ::-1], picture())
    assert images_in(tmp_path) == [path]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"no image", "is not an image"),
        (b"\0\0\0\x20ftypisom" + bytes(40), "is a video"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC, which cannot be read: convert it to JPEG"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\x89PNG\r\n\x1a\n", "is cut or damaged"),
        (b"GNU GENERAL PUBLIC LICENSE\n" * 30, "is not an image"),
        ((b"G" + bytes(187)) * 4, "is a video"),
        (b"#?RADIANCE\n", "floating point: save it with 8 or 16 bits"),
    ],
)
def test_the_true_reason_is_given(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=says) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path} is ")
    assert caught.value.path == path


@pytest.mark.parametrize("ending", [".pam", ".ras", ".ppm", ".jp2", ".dib"])
def test_rare_formats_come_as_opencv_decodes_them(ending: str) -> None:
    data = cv2.imencode(ending, picture(0, (64, 80)))[1].tobytes()
    header = read_header(data)
    assert (header.height, header.width, header.channels, header.bits) == (64, 80, 3, 8)
    assert np.array_equal(decode_image(data), np.asarray(opencv(data)))


def test_what_is_hidden_is_no_picture(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.webp", "._a.png", ".a.123.part.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert [p.name for p in images_in(tmp_path)] == ["a.webp", "b.PNG"]


def test_a_still_is_known_by_its_content(tmp_path: Path) -> None:
    image, other = Image.fromarray(picture()), Image.fromarray(picture(1))
    for name, data, still in (
        ("photo", saved(image, "AVIF"), True),
        ("photo.mp4", saved(image, "JPEG"), True),
        ("pages.tif", saved(image, "TIFF", save_all=True, append_images=[other]), True),
        ("moves.gif", saved(image, "GIF", save_all=True, append_images=[other]), False),
        ("film", b"\0\0\0\x20ftypisom" + bytes(40), False),
        ("damaged.png", b"damaged", True),
    ):
        (tmp_path / name).write_bytes(data)
        assert is_still(tmp_path / name) == still, name
