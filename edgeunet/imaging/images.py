"""The one reader of images: for datasets, cameras, predictions, calibration and measurements.

The header is read first (see image_header.py), so that a false claim costs nothing. Then OpenCV decodes the image, or
Pillow if OpenCV cannot, and it is turned as its EXIF orientation says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import ImageError, system_reason
from edgeunet.imaging.image_header import (
    HEAD,
    MOST_PIXELS,
    ImageHeader,
    format_of,
    open_with_pillow,
    read_header,
    what_else,
)
from edgeunet.imaging.pixels import Pixels, UInt8, with_channels
from edgeunet.spec import BGR, CHANNELS, PixelFormat

Array = NDArray[Any]
IMAGE_ENDINGS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".gif", ".avif",
    ".jp2", ".j2k", ".pbm", ".pgm", ".ppm", ".pnm", ".pam", ".ras", ".sr",
)  # fmt: skip
SOME_ENDINGS = ".jpg, .png, .tif, .bmp, .webp, .gif and others"  # for messages
LARGEST_FILE = 1 << 31  # bytes: MOST_PIXELS of four channels of 16 bits
_AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
_EIGHTH = cv2.IMREAD_REDUCED_COLOR_8 | cv2.IMREAD_IGNORE_ORIENTATION
_QUARTERS = {1: 0, 3: 2, 6: 3, 8: 1}  # turns to the left for each of EXIF's orientations
# EXIF's mirrored orientations: mirror from left to right, then use the other one.
_MIRRORED = {2: 1, 4: 3, 5: 8, 7: 6}
_UNDONE = {6: 8, 8: 6}


def read_image(path: str | Path, pixels: PixelFormat = BGR, *, eighth: bool = False) -> Pixels:
    """An image file as [h, w, channels] of the wanted pixels, turned as its EXIF orientation says.

    A colour image becomes grey, and a grey one is repeated, where that is wanted; a fourth channel is kept only for
    four, and of more than 8 bits the upper 8 are used unless 16 are wanted.
    eighth: at an eighth of its size, which is much faster for JPEG.
    Raises ImageError, which says what is wrong with the file, also if it lacks bits or channels.
    """
    with named(path):
        return decode_image(read_file(path), pixels, eighth=eighth)


def decode_image(
    data: bytes, pixels: PixelFormat = BGR, *, most_pixels: int = MOST_PIXELS, eighth: bool = False, turn: bool = True
) -> Pixels:
    """The bytes of an image file, as read_image(); raises ImageError. turn: as EXIF says, else as stored."""
    header = read_header(data, most_pixels=most_pixels)
    if pixels.deep or pixels.channels == 4:
        return _as_wanted(data, header, pixels, eighth=eighth, turn=turn)
    image = decode(data, _EIGHTH if eighth else _AS_STORED)
    if image is None:
        image = _bgr(loaded(header, data))
        if eighth:
            image = _to_eighth(image)
    return with_channels(upright(image, header, turn=turn), pixels.channels)


def require_pixels(header: ImageHeader, pixels: PixelFormat) -> None:
    """Raise ImageError unless an image file has the bits and channels that are wanted, by its header."""
    if pixels.deep and not 8 < header.bits <= 16:
        raise ImageError(
            f"has {header.bits} bits per channel, and levels are for frames of 16",
            remedy="give images of 16 bits, or train without --levels",
        )
    if pixels.channels == 4 and header.channels != 4:
        raise ImageError(
            f"has {header.channels} channel(s), and 4 are wanted",
            remedy="save the fourth in it too, as PNG, TIFF or WebP",
        )


def unchanged(data: bytes, header: ImageHeader, *, turn: bool = False) -> NDArray[Any]:
    """The bytes of an image file with the depth and channels that it has: [h, w] or [h, w, 2 to 4], BGR(A).

    turn: as EXIF says, else as stored. Raises ImageError.
    """
    image = decode(data, cv2.IMREAD_UNCHANGED)
    return upright(_bgr(loaded(header, data)) if image is None else image, header, turn=turn)


def _as_wanted(data: bytes, header: ImageHeader, pixels: PixelFormat, *, eighth: bool, turn: bool) -> Pixels:
    """With all bits and channels of the file that are wanted."""
    require_pixels(header, pixels)
    image = unchanged(data, header, turn=turn)
    image = image if image.ndim == 3 else image[..., None]
    if image.shape[2] == 2:  # grey and alpha
        image = image[..., :1]
    if not pixels.deep and image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.dtype != pixels.dtype or image.shape[2] not in CHANNELS or image.shape[2] < pixels.channels == 4:
        raise ImageError(
            f"is decoded as {image.dtype} {list(image.shape)}, which is not {pixels}: save it as PNG or TIFF"
        )
    return with_channels(_to_eighth(image) if eighth else image, pixels.channels)


def _to_eighth(image: Array) -> Array:
    size = (max(1, image.shape[1] // 8), max(1, image.shape[0] // 8))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    return small if small.ndim == image.ndim else small[..., None]


def read_file(path: str | Path) -> bytes:
    """The bytes of an image file. Raises ImageError if it is not an image or too large, before it is read whole."""
    path = Path(path)
    try:
        if not path.is_file():
            raise ImageError("is not a file" if path.exists() else "does not exist")
        with path.open("rb") as file:
            head = file.read(HEAD)
            if format_of(head) is None:
                raise ImageError(what_else(head))
            if (size := path.stat().st_size) > LARGEST_FILE:
                raise ImageError(f"has {size:,} bytes, more than the {LARGEST_FILE:,} that are read of an image")
            return head + file.read()
    except OSError as error:
        raise ImageError(f"cannot be read ({system_reason(error)})") from error


def is_still(path: Path) -> bool:
    """Whether a file is an image of a single picture, by its content, or by its ending if it cannot be read.

    An animated GIF is a video.
    """
    try:
        header = read_header(read_file(path))
    except ImageError:
        return path.suffix.lower() in IMAGE_ENDINGS  # reading it says what is wrong
    return header.frames == 1 or header.format == "TIFF"  # TIFF has pages, not animations


def is_hidden(path: Path) -> bool:
    """Whether a file or folder is skipped when a folder is read: ._a.png, .ipynb_checkpoints, .x.part."""
    return path.name.startswith(".")


def is_image_name(path: Path) -> bool:
    """Whether a file is an image by its ending, in capitals too, and is not hidden."""
    return path.suffix.lower() in IMAGE_ENDINGS and not is_hidden(path)


def images_in(folder: Path) -> list[Path]:
    """The image files of a folder by their endings, in capitals too, sorted by name; none if there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if is_image_name(p) and not p.is_dir())


@contextmanager
def named(path: str | Path) -> Iterator[None]:
    """Add the path of the file to an ImageError."""
    try:
        yield
    except ImageError as error:
        raise ImageError(error.what, path, error.remedy) from error


def decode(data: bytes, how: int) -> UInt8 | None:
    """The image as OpenCV decodes it, with its flags `how`; None if it cannot."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error:
        return None
    return None if image is None else np.asarray(image)


def turned_by(image: Array, orientation: int) -> Array:
    """[h, w, …] of any type upright, as EXIF's orientation says of it."""
    if orientation == 1:
        return image
    if orientation in _MIRRORED:
        image = image[:, ::-1]
    return np.ascontiguousarray(np.rot90(image, _QUARTERS[_MIRRORED.get(orientation, orientation)]))


def loaded(header: ImageHeader, data: bytes) -> Any:
    """Pillow's image of the file, decoded. Raises ImageError if Pillow cannot decode it either."""
    if header.format == "JPEG" and header.bits > 8:
        raise ImageError(f"is JPEG with {header.bits} bits per channel, which cannot be read: save it as PNG or TIFF")
    try:
        if header.format == "JPEG":  # every OpenCV reads JPEG, and Pillow would read all that EXIF claims
            raise OSError("damaged")
        image = open_with_pillow(header.format, data)
        image.load()
    except Exception as error:
        raise ImageError(
            f"is cut or damaged: {header.format} of {header.width}x{header.height} pixels by its header, but its "
            "content cannot be decoded"
        ) from error
    return image


def upright(image: Array, header: ImageHeader, *, turn: bool) -> Array:
    """A decoded image, [h, w, …], turned by the header's orientation or as stored."""
    if turn == (header.format == "TIFF"):  # the decoders have turned TIFF already, and nothing else
        return image
    return turned_by(image, header.orientation if turn else _UNDONE.get(header.orientation, header.orientation))


def _bgr(image: Any) -> UInt8:
    """Pillow's image as OpenCV decodes it: uint8 [h, w, 3] BGR without alpha, of 16 bits the upper 8."""
    if image.mode == "F":
        raise ImageError("has pixels of floating point: save it with 8 or 16 bits per channel")
    if image.mode.startswith("I"):
        grey = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.ascontiguousarray(np.asarray(image.convert("RGB"), np.uint8)[..., ::-1])
