"""Reading a mask: the numbers or colours that its file stores, looked at before any of it is reduced.

A number may be a grey level of 1 to 32 bits or an index into a palette; what fits 8 bits is taken as it is, and what
does not ends in an error that names the type and the largest value.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.errors import ImageError
from edgeunet.image_header import Header, read_header
from edgeunet.images import decode, loaded, named, read_file

Numbers = NDArray[np.int32]  # [h, w]
Array = NDArray[Any]


@dataclass(frozen=True)
class Mask:
    """A mask file.

    numbers: int32 [h, w] 0 to 255 as stored, of a grey or palette file and of one whose channels are equal; else None.
    colors: int32 [h, w] 0xRRGGBB as it is shown; of a palette what the palette says.
    """

    header: Header
    numbers: Numbers | None
    colors: Numbers

    @property
    def by_number(self) -> dict[int, int]:
        """Colour 0xRRGGBB of each number that occurs; {} if there are none."""
        if self.numbers is None:
            return {}
        values, where = np.unique(self.numbers, return_index=True)
        return dict(zip(values.tolist(), self.colors.ravel()[where].tolist(), strict=True))


def read_mask(path: str | Path) -> Mask:
    """Read a mask file of any format, depth and number of channels.

    Raises ImageError if it cannot be read, or stores what cannot be kept: values that 8 bits don't hold, an alpha
    channel that says something else than the colours do, several pages.
    """
    with named(path):
        return decode_mask(read_file(path))


def decode_mask(data: bytes) -> Mask:
    """The bytes of a mask file. Raises as read_mask()."""
    header = read_header(data)
    if header.frames > 1:
        raise ImageError(f"has {header.frames} pages or pictures, and a mask is one: save each as a file of its own")
    # OpenCV shows a palette's colours, and stretches 1, 2 and 4 bits to 8.
    by_pillow = header.palette or header.bits == 1 or (header.bits < 8 and header.format != "PNM")
    array = None if by_pillow else decode(data, cv2.IMREAD_UNCHANGED)
    if array is not None:
        if array.ndim == 3:  # BGR(A)
            array = np.concatenate([array[..., 2::-1], array[..., 3:]], axis=2)
        return _of_array(header, array)
    image = loaded(header, data)
    if image.mode == "P":
        shown = _plain(np.asarray(image.convert("RGBA")))
        return Mask(header, np.asarray(image, np.int32), _codes(shown, header))
    if image.mode == "L" and header.bits < 8:
        return _of_array(header, np.asarray(image) // (255 // ((1 << header.bits) - 1)))
    return _of_array(header, np.asarray(image.convert("RGB") if image.mode == "CMYK" else image))


def code_of(color: tuple[int, int, int]) -> int:
    """(red, green, blue) as 0xRRGGBB."""
    red, green, blue = color
    return red << 16 | green << 8 | blue


def _of_array(header: Header, array: Array) -> Mask:
    plain = _plain(array)
    numbers = plain.astype(np.int32) if plain.ndim == 2 and plain.max() <= 255 else None
    return Mask(header, numbers, _codes(plain, header))


def _plain(array: Array) -> Array:
    """[h, w] or [h, w, 3] whole numbers without alpha, with alpha in place of the colours if that is the mask."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if array.dtype.kind == "f" and not np.array_equal(array, np.floor(array)):
        raise ImageError(f"is {array.dtype} with values that are no whole numbers: {_WANTED}")
    if array.min() < 0:
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
    flat = colors.reshape(-1, colors.shape[2]).astype(np.int64)
    code = (flat * (1 << 16) ** np.arange(flat.shape[1])).sum(1)
    both = np.unique(np.stack([code, alpha.ravel().astype(np.int64)], axis=1), axis=0)
    if len(both) == len(np.unique(code)):  # each colour has one alpha, which so says nothing that the colour does not
        return colors
    raise ImageError("has an alpha channel that varies beside its colours: save it without alpha")


def _codes(plain: Array, header: Header) -> Numbers:
    """int32 [h, w] 0xRRGGBB of what _plain() gives."""
    largest = plain.max()
    if plain.ndim == 2 and header.bits < 8 and not header.palette:
        plain = plain.astype(np.int32) * 255 // ((1 << header.bits) - 1)
    elif 255 < largest <= 65535 and not (plain % 257).any():  # 8 bits that were stretched to 16
        plain = plain // 257
    elif largest > 255:
        raise ImageError(f"is {plain.dtype} ({8 * plain.itemsize}-bit) with values up to {largest:g}: {_WANTED}")
    plain = plain.astype(np.int32)
    red, green, blue = (plain, plain, plain) if plain.ndim == 2 else (plain[..., i] for i in range(3))
    return np.asarray(red << 16 | green << 8 | blue, np.int32)


_WANTED = "a mask has class indices from 0 to 255, or colours of 8 bits a channel"
