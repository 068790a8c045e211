"""The header of an image file, before anything is decoded: format, size, depth, channels, orientation, pictures.

Pillow reads it, except where it says too little or allocates all that a file claims; then it is read here. A header
never costs more memory than its file has bytes.
"""

from __future__ import annotations

import importlib
import io
import math
import re
import struct
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from edgeunet.errors import ImageError
from edgeunet.imaging.tiff_tags import ORIENTATION, exif_orientation, int_at, is_big, known_orientation, tags_of

MOST_PIXELS = 1 << 28  # of a file: a picture of 16384x16384
MOST_PIXELS_STREAMED = 1 << 26  # of a picture that a network sends: 8192x8192
HEAD = 512  # bytes that tell what a file is
# Pillow warns about odd EXIF, which does not matter for the picture.
warnings.filterwarnings("ignore", module=r"PIL\.")


@dataclass(frozen=True)
class ImageHeader:
    """The header of an image file.

    height, width: pixels as stored, before `orientation` turns them. channels: 1 for grey and palettes; alpha counts.
    bits: of a channel as stored. orientation: EXIF's, 1 (upright) to 8. frames: pictures or pages in the file.
    """

    format: str
    height: int
    width: int
    channels: int = 3
    bits: int = 8
    palette: bool = False
    orientation: int = 1
    frames: int = 1
    white: int = 0  # its value, if not all bits are set

    @property
    def largest(self) -> int:
        """The value of white."""
        return self.white or (1 << self.bits) - 1


def format_of(head: bytes) -> str | None:
    """The format of a file by its first bytes (HEAD are enough), or None if it is not a readable image."""
    return next((name for name, begins in _MAGIC.items() if re.match(begins, head, re.DOTALL)), None)


def what_else(head: bytes) -> str:
    """What kind of file it is if it is not a readable image, by its first bytes, for a message."""
    if not head:
        return "is empty"
    kind = next((kind for kind, begins in _OTHERS.items() if re.match(begins, head, re.DOTALL)), None)
    return f"is {kind}" if kind else "is not an image"


def read_header(data: bytes, *, most_pixels: int = MOST_PIXELS) -> ImageHeader:
    """Read the header of an image file's bytes.

    Raises ImageError if it is of no known format, damaged, or claims more than `most_pixels`.
    """
    name = format_of(data[:HEAD])
    if name is None:
        raise ImageError(what_else(data[:HEAD]))
    try:
        header = _READERS.get(name, _with_pillow)(name, data)
    except ImageError:
        raise
    except ModuleNotFoundError as error:
        raise ImageError(f"is {name}, which this Pillow cannot read: pip install -U pillow") from error
    except Exception as error:
        raise ImageError(f"is cut or damaged: it begins as {name}, but its header cannot be read") from error
    if min(header.height, header.width, header.bits, header.channels) < 1:
        raise ImageError(f"is damaged: its header says {header.width}x{header.height} pixels of {header.bits} bits")
    if header.height * header.width > most_pixels:
        raise ImageError(
            f"has {header.width}x{header.height} pixels in its header, more than the {most_pixels:,} that are read: "
            "make it smaller, or cut it into tiles"
        )
    if header.height * header.width > _densest(header) * len(data):
        raise ImageError(
            f"is cut: its {len(data):,} bytes cannot hold the {header.width}x{header.height} pixels of its header"
        )
    return header


def _densest(header: ImageHeader) -> float:
    """The most pixels per byte of a file: deflate's 1032 to 1, JPEG's one bit for a block of 64, with some margin.

    Formats that store a picture of one colour in a few bytes have no bound.
    """
    if header.format in ("WebP", "AVIF", "JPEG 2000") or (header.format == "TIFF" and header.bits == 1):
        return math.inf
    if header.format == "PNG":
        return 1100 * 8 / (header.bits * header.channels)
    return 1100 if header.format == "JPEG" else 5000  # GIF's longest strings have 4096 pixels


def open_with_pillow(name: str, data: bytes) -> Any:
    """Pillow's lazy image of a format, without the limits of Image.open(): read_header() has our own."""
    module, kind = _PLUGINS[name]
    return getattr(importlib.import_module(f"PIL.{module}"), kind)(io.BytesIO(data))


_MAGIC = {  # how the formats begin: regular expressions
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "BMP": rb"BM",
    "TIFF": rb"II[*+]\0|MM\0[*+]",
    "WebP": rb"RIFF....WEBP",
    "GIF": rb"GIF8[79]a",
    "AVIF": rb"....ftyp(avif|avis|.{4,60}avif)",
    "JPEG 2000": rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
    "PNM": rb"P[1-6][\s#]",
    "PAM": rb"P7\s",
    "Sun raster": rb"\x59\xa6\x6a\x95",
}
_PLUGINS = {
    "JPEG": ("JpegImagePlugin", "JpegImageFile"),
    "PNG": ("PngImagePlugin", "PngImageFile"),
    "BMP": ("BmpImagePlugin", "BmpImageFile"),
    "TIFF": ("TiffImagePlugin", "TiffImageFile"),
    "WebP": ("WebPImagePlugin", "WebPImageFile"),
    "GIF": ("GifImagePlugin", "GifImageFile"),
    "AVIF": ("AvifImagePlugin", "AvifImageFile"),
    "JPEG 2000": ("Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "PNM": ("PpmImagePlugin", "PpmImageFile"),
}
_OTHERS = {
    "a picture in HEIC, which cannot be read: convert it to JPEG": rb"....ftyp(hei|hev|mif1|msf1)",
    "a video": (
        rb"....(ftyp|moov|mdat|free|wide)|RIFF....AVI |\x1aE\xdf\xa3|FLV\x01|\0\0\x01[\xb3\xba]|OggS|\x30\x26\xb2\x75"
        rb"|G.{187}G|.{4}G.{191}G"  # MPEG-2 TS: the sync byte of every packet
    ),
    "JPEG XL, which cannot be read: save it as PNG": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "a picture of floating point: save it with 8 or 16 bits per channel": rb"#\?R|P[Ff]\s|\x76\x2f\x31\x01",
    "a PDF file: export its pages as PNG": rb"%PDF",
    "a Photoshop file: export it as PNG": rb"8BPS",
    "an archive: unpack it first": rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!",
    "a pointer of Git LFS: `git lfs pull` fetches the file itself": rb"version https://git-lfs",
}


def _with_pillow(name: str, data: bytes) -> ImageHeader:
    if name == "AVIF":  # whose EXIF Pillow reads at once
        for tiff in re.finditer(rb"II\*\0|MM\0\*", data):
            tags_of(data[tiff.start() :], int_at(data[tiff.start() :], 4, 4))
    image = open_with_pillow(name, data)
    width, height = image.size
    bits, channels = 1 if image.mode == "1" else 8, len(image.getbands())
    if name == "AVIF" and (at := data.find(b"av1C")) >= 0:
        bits = {0: 8, 1: 10}.get(data[at + 6] >> 5 & 3, 12)  # AV1 in ISOBMFF, 2.3.3: high_bitdepth, twelve_bit
    if name == "JPEG 2000" and (at := data.find(b"\xff\x4f\xff\x51")) >= 0:  # ITU-T T.800, A.5.1
        channels, bits = int.from_bytes(data[at + 40 : at + 42], "big"), (data[at + 42] & 0x7F) + 1
    frames = getattr(image, "n_frames", 1)
    orientation = exif_orientation(image.info.get("exif", b""))
    return ImageHeader(name, height, width, channels, bits, image.mode in ("P", "PA"), orientation, frames)


def _png(name: str, data: bytes) -> ImageHeader:
    """PNG, third edition: 16 bits per channel, which Pillow does not report, and EXIF after the picture."""
    width, height, bits, kind = struct.unpack(">IIBB", data[16:26])
    chunks = dict(_chunks(data))
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind] + (kind in (0, 2) and b"tRNS" in chunks)
    frames = int.from_bytes(chunks[b"acTL"][:4], "big") if b"acTL" in chunks else 1
    return ImageHeader(
        name, height, width, channels, bits, kind == 3, exif_orientation(chunks.get(b"eXIf", b"")), frames
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if at + 12 + length > len(data):  # OpenCV allocates all of it before it looks
            raise ImageError("is cut or damaged: a part of it claims more bytes than the file has")
        yield kind, b"" if kind == b"IDAT" else data[at + 8 : at + 8 + length]
        if kind == b"IEND":
            return
        at += length + 12


def _jpeg(name: str, data: bytes) -> ImageHeader:
    """JPEG (ITU-T T.81, annex B): by hand, since a network camera sends 30 fps, and EXIF may be costly."""
    at, orientation = 2, 1
    while True:
        if data[at] != 0xFF:  # bytes between two segments, which libjpeg skips too
            at = data.index(b"\xff", at)
        kind, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if kind in (0xFF, 0x00, 0x01, *range(0xD0, 0xD9)):  # filling, and marks without a length
            at += 1 if kind in (0xFF, 0x00) else 2
            continue
        body = data[at + 4 : at + 2 + length]
        if kind == 0xE1 and body.startswith(b"Exif\0\0") and orientation == 1:
            orientation = exif_orientation(body)
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            bits, height, width, channels = struct.unpack(">BHHB", body[:6])
            return ImageHeader(name, height, width, 1 if channels == 1 else 3, bits, orientation=orientation)
        if kind in (0xD9, 0xDA):
            raise ValueError("no frame header before the picture")
        at += 2 + length


def _tiff(name: str, data: bytes) -> ImageHeader:
    """TIFF 6.0 and BigTIFF: only the tags, since Pillow opens fewer pixel formats than OpenCV."""
    tags, after = tags_of(data, int_at(data, 8, 8) if is_big(data) else int_at(data, 4, 4))
    seen: set[int] = set()
    while 0 < after < len(data) and after not in seen:
        seen.add(after)
        after = tags_of(data, after, most=0)[1]
    first = {tag: values[0] for tag, values in tags.items() if values}
    return ImageHeader(
        name,
        first[257],
        first[256],
        first.get(277, 1),
        max(tags.get(258) or (1,)),
        first.get(262) == 3,
        known_orientation(first.get(ORIENTATION, 1)),
        1 + len(seen),
    )


def _pnm(name: str, data: bytes) -> ImageHeader:
    """Netpbm's ppm(5), pgm(5), pbm(5): a letter and two or three numbers, with comments between them."""
    kind = data[1] - ord("0")
    numbers = re.findall(rb"\d{1,10}", re.sub(rb"#[^\n]*", b"", data[2:1024]))
    width, height = map(int, numbers[:2])
    largest = 1 if kind in (1, 4) else int(numbers[2])
    return ImageHeader(name, height, width, 3 if kind in (3, 6) else 1, max(1, largest.bit_length()), white=largest)


def _pam(name: str, data: bytes) -> ImageHeader:
    """Netpbm's pam(5): lines of a word and a number."""
    said = dict(re.findall(rb"^(WIDTH|HEIGHT|DEPTH|MAXVAL)\s+(\d{1,10})", data[:4096], re.MULTILINE))
    width, height, channels, largest = (int(said[word]) for word in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    return ImageHeader(name, height, width, channels, max(1, largest.bit_length()), white=largest)


def _sun(name: str, data: bytes) -> ImageHeader:
    width, height, depth = struct.unpack(">III", data[4:16])
    return ImageHeader(name, height, width, {24: 3, 32: 4}.get(depth, 1), min(depth, 8))


def _gif(name: str, data: bytes) -> ImageHeader:
    """GIF 89a: by hand, since Pillow allocates the first picture when it opens the file."""
    width, height, flags = struct.unpack("<HHB", data[6:11])
    at, frames = 13 + _colors(flags), 0
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x2C:  # a picture: 9 bytes, maybe colours, a byte, blocks
            frames += 1
            at += 11 + _colors(data[at + 9])
        else:  # an extension: a byte, blocks
            at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return ImageHeader(name, height, width, 1, palette=True, frames=max(1, frames))


def _colors(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


_READERS: dict[str, Callable[[str, bytes], ImageHeader]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "TIFF": _tiff,
    "PNM": _pnm,
    "PAM": _pam,
    "Sun raster": _sun,
}
