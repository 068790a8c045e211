"""Reading a mask: the numbers or colours that its file stores, without loss.

A number is a grey level of 1 to 32 bits or an index into a palette. Numbers that fit 8 bits are kept as they are;
others raise an error that names the type and the largest value.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import ImageError
from edgeunet.imaging.image_header import ImageHeader, read_header
from edgeunet.imaging.images import Array, decode, loaded, named, read_file, upright

Numbers = NDArray[np.int32]  # [h, w]

_AT_ONCE = 1 << 22  # pixels that are counted at once


def value_counts(mask: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many pixels of uint8 [h, w] have each value, int64 [256]. In parts: counting takes 8 bytes a pixel."""
    rows = max(1, _AT_ONCE // max(1, mask.shape[1]))
    counts = np.zeros(256, np.int64)
    for start in range(0, len(mask), rows):
        counts += np.bincount(mask[start : start + rows].ravel(), minlength=256)
    return counts


@dataclass(frozen=True)
class Mask:
    """A mask file.

    numbers: int32 [h, w] 0 to 255 as stored, of a grey or palette file and of one whose channels are equal; else None.
    """

    header: ImageHeader
    numbers: Numbers | None
    stored: Array  # [h, w] or [h, w, 3 or 4] RGB(A), of a palette its colours

    @cached_property
    def colors(self) -> Numbers:
        """int32 [h, w] 0xRRGGBB as it is shown. Raises ImageError if 8 bits per channel don't hold it."""
        shown = _shown(_plain(self.stored), self.header).astype(np.int32)
        red, green, blue = (shown, shown, shown) if shown.ndim == 2 else (shown[..., i] for i in range(3))
        return np.asarray(red << 16 | green << 8 | blue, np.int32)

    @cached_property
    def values(self) -> set[int]:
        """The numbers that occur."""
        return set() if self.numbers is None else set(np.unique(self.numbers).tolist())

    def colors_by_number(self) -> dict[int, int]:
        """Colour 0xRRGGBB of each number that occurs. Raises ImageError as `colors`."""
        if self.numbers is None:
            return {}
        values, where = np.unique(self.numbers, return_index=True)
        return dict(zip(values.tolist(), self.colors.ravel()[where].tolist(), strict=True))


def read_mask(path: str | Path, *, turn: bool = True) -> Mask:
    """Read a mask file of any format, depth and number of channels. turn: as its own EXIF says, else as stored.

    Raises ImageError if it cannot be read, or cannot be kept without loss: values beyond 8 bits, an alpha channel that
    adds to the colours, several pages.
    """
    with named(path):
        return decode_mask(read_file(path), turn=turn)


def decode_mask(data: bytes, *, turn: bool = True) -> Mask:
    """The bytes of a mask file. Raises as read_mask()."""
    header = read_header(data)
    if header.frames > 1:
        raise ImageError(f"has {header.frames} pages or pictures, and a mask has one: save each as a file of its own")
    # OpenCV replaces a palette by its colours, and stretches some images of less than 8 bits.
    array = None if header.palette or header.largest < 255 else decode(data, cv2.IMREAD_UNCHANGED)
    if array is None:
        image = loaded(header, data)
        if image.mode == "P":
            shown = np.asarray(image.convert("RGBA"))
            indices = np.asarray(image, np.int32)
            return Mask(header, upright(indices, header, turn=turn), upright(shown, header, turn=turn))
        array = np.asarray(image.convert("RGB") if image.mode == "CMYK" else image)
        if image.mode == "L" and header.largest < 255 and not header.palette:  # stretched to 8 bits by Pillow
            array = np.rint(array * (header.largest / 255)).astype(np.uint8)
    elif array.ndim == 3:  # BGR(A)
        array = np.concatenate([array[..., 2::-1], array[..., 3:]], axis=2)
    plain = upright(_plain(array), header, turn=turn)
    numbers = plain.astype(np.int32) if plain.ndim == 2 and plain.max() <= 255 else None
    if numbers is None:
        _shown(plain, header)  # raises what is wrong with it
    return Mask(header, numbers, plain)


def code_of(color: tuple[int, int, int]) -> int:
    """(red, green, blue) as 0xRRGGBB."""
    red, green, blue = color
    return red << 16 | green << 8 | blue


def _plain(array: Array) -> Array:
    """Whole numbers, [h, w] or [h, w, 3], without alpha, or the alpha channel if that is the mask."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if array.dtype.kind == "f" and not np.array_equal(array, np.floor(array)):
        raise ImageError(f"is {array.dtype} with values that are not whole numbers: {_WANTED}")
    if array.dtype.kind != "u" and array.min() < 0:
        raise ImageError(f"is {array.dtype} with values down to {array.min():g}: {_WANTED}")
    if array.ndim == 3 and array.shape[2] in (2, 4):
        array = _without_alpha(array[..., :-1], array[..., -1])
    if array.ndim == 3 and (array == array[..., :1]).all():
        array = array[..., 0]
    return array


def _without_alpha(colors: Array, alpha: Array) -> Array:
    if (alpha == alpha.flat[0]).all():
        return colors
    if (colors == colors[:1, :1]).all():
        return alpha
    code = np.zeros(alpha.shape, np.int64)  # three channels of 16 bits, then alpha as the fourth
    for channel in range(colors.shape[2]):
        code = code << 16 | colors[..., channel].astype(np.int64)
    if len(np.unique(code << 16 | alpha.astype(np.int64))) == len(np.unique(code)):
        return colors  # each colour has one alpha, so alpha adds nothing
    raise ImageError("has an alpha channel that varies apart from its colours: save it without alpha")


def _shown(plain: Array, header: ImageHeader) -> Array:
    """What _plain() gives with 8 bits per channel."""
    largest = plain.max()
    if header.largest < 255 and not header.palette:
        return np.asarray(plain.astype(np.int32) * 255 // header.largest)
    if 255 < largest <= 65535 and not (plain % 257).any():  # 8 bits that were stretched to 16
        return np.asarray(plain // 257)
    if largest > 255:
        raise ImageError(f"is {plain.dtype} ({8 * plain.itemsize}-bit) with values up to {largest:g}: {_WANTED}")
    return plain


_WANTED = "a mask has class indices from 0 to 255, or colours of 8 bits per channel"
