"""Facts of an image file that its frame does not show: orientation, bits beyond 8, further channels and pages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeunet.errors import ImageError
from edgeunet.imaging.image_header import ImageHeader
from edgeunet.imaging.images import unchanged
from edgeunet.imaging.pixels import Pixels

_LEAST_LEVELS = 64  # of 256: a photo of more levels that keeps fewer is banded


@dataclass(frozen=True)
class ImageFacts:
    """orientation: EXIF's, 1 where the image is as stored. bits: of a channel in the file. pages: in the file.

    levels: different values in the file and in the frame, if bits of the file are not used. channels: how many the
    file has, if those that are not read differ from pixel to pixel; else 0. mask_kind: how the mask's file
    stores its numbers. grey: whether all channels of a frame of several are equal.
    """

    orientation: int = 1
    mask_orientation: int = 1  # the mask's own
    bits: int = 8
    levels: tuple[int, int] = (0, 0)
    channels: int = 0
    pages: int = 1
    mask_kind: str = ""
    grey: bool = False

    @property
    def cut(self) -> bool:
        """Whether the file has bits that the frame does not have."""
        return self.levels != (0, 0)

    @property
    def banded(self) -> bool:
        """Whether too few levels are left to learn from."""
        return self.levels[1] < _LEAST_LEVELS and self.levels[0] > 2 * self.levels[1]


def image_facts_of(data: bytes, header: ImageHeader, frame: Pixels, mask: ImageHeader) -> ImageFacts:
    """frame: as read from `data`, with all its bits and channels or less. mask: the header of the mask."""
    levels, channels = (0, 0), 0
    cut = header.bits > 8 and frame.dtype == np.uint8
    more = header.channels not in (1, 3) and frame.shape[2] < 4
    if cut or more or header.palette:  # the colours of a palette may have alpha
        try:
            pixels = unchanged(data, header)
        except ImageError:  # neither decoder reads more than the frame
            pixels = frame
        extra = pixels.ndim == 3 and pixels.shape[2] in (2, 4) and frame.shape[2] < 4 and bool(np.ptp(pixels[..., -1]))
        channels = max(header.channels, *pixels.shape[2:]) if extra or header.channels > 4 else 0
        if cut:
            colors = pixels[..., :3] if pixels.ndim == 3 else pixels
            levels = len(np.unique(colors)), len(np.unique(frame))
    pages = header.frames if header.format != "JPEG" else 1
    kind, grey = _kind(mask), frame.shape[2] > 1 and _equal(frame[::16, ::16]) and _equal(frame)
    return ImageFacts(header.orientation, mask.orientation, header.bits, levels, channels, pages, kind, grey)


def _equal(frame: Pixels) -> bool:
    """Whether all channels are the same."""
    return all(np.array_equal(frame[..., 0], frame[..., k]) for k in range(1, frame.shape[2]))


def _kind(mask: ImageHeader) -> str:
    """ "grey PNG": what differs between the masks of two tools. Up to 8 bits one tool takes as few as it needs."""
    pixels = "palette" if mask.palette else "grey" if mask.channels == 1 else f"{mask.channels}-channel"
    return f"{pixels} {mask.format}" + (f" of {mask.bits} bits" if mask.bits > 8 else "")
