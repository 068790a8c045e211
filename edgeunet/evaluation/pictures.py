"""A frame, its label, its mask and what is wrong with it, as pictures inside a page."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.imaging.letterbox import UInt8
from edgeunet.spec import IGNORE, ModelSpec

LONGEST = 640  # pixels of a picture's longer side: a page of 11 classes takes about 1.5 MB, one of 34 about 5
QUALITY = 85  # of JPEG

COLORS = {  # (red, green, blue): clear for all kinds of colour vision, on a grey picture
    "wrong": (230, 30, 60),
    "missed": (255, 160, 0),
    "claimed": (40, 130, 255),
    "found": (225, 225, 225),
}

Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Picture:
    """An image file as a data: address. width, height: in pixels."""

    address: str
    width: int
    height: int


def of_frame(frame: UInt8, area: UInt8 | None = None) -> Picture:
    """The frame itself, uint8 [h, w, 3] BGR. area: uint8 [h, w], outlined where it is not 0."""
    return _encoded(_outlined(reduced(frame), area), ".jpg")


def of_classes(mask: UInt8, spec: ModelSpec, area: UInt8 | None = None) -> Picture:
    """Class indices, uint8 [h, w], in the colours of their classes; ignored pixels are hatched. area: as of_frame()."""
    colors = np.zeros((256, 3), np.uint8)
    colors[: len(spec.classes)] = [c.color[::-1] for c in spec.classes]
    mask = reduced(mask, cv2.INTER_NEAREST)
    picture = colors[mask]
    return _encoded(_outlined(_hatched(picture, mask == IGNORE), area), ".png")


def of_wrong(frame: UInt8, label: UInt8, mask: UInt8) -> Picture:
    """The frame in grey with the wrong pixels painted; ignored pixels are hatched."""
    return _painted(frame, label, {"wrong": label != mask})


def of_class(frame: UInt8, label: UInt8, mask: UInt8, index: int) -> Picture:
    """The frame in grey with the pixels of one class that were found, missed and wrongly claimed."""
    true, claimed = label == index, mask == index
    return _painted(frame, label, {"found": true & claimed, "missed": true & ~claimed, "claimed": claimed & ~true})


def _painted(frame: UInt8, label: UInt8, areas: dict[str, Bool]) -> Picture:
    """A dark grey frame with areas, bool [h, w], in their COLORS; ignored pixels belong to none."""
    grey = cv2.cvtColor(reduced(frame), cv2.COLOR_BGR2GRAY)[:, :, None].astype(np.float32)
    picture = np.repeat(grey * 0.6, 3, axis=2)
    for name, area in areas.items():
        share = reduced(np.where(area & (label != IGNORE), np.uint8(255), np.uint8(0)))
        # Twice its share, so that what is thinner than a pixel of the picture stays visible.
        opacity = np.minimum(share.astype(np.float32)[:, :, None] * (2 / 255), 1) * 0.85
        picture = picture * (1 - opacity) + np.array(COLORS[name][::-1], np.float32) * opacity
    ignored = reduced(label, cv2.INTER_NEAREST) == IGNORE
    return _encoded(_hatched(picture.astype(np.uint8), ignored), ".jpg")


def _hatched(picture: UInt8, area: Bool) -> UInt8:
    """The picture with an area, bool [h, w], under stripes that no class has."""
    y, x = np.indices(area.shape)
    stripes = np.where((x + y) // 4 % 2, np.uint8(70), np.uint8(120))
    return np.where(area[:, :, None], stripes[:, :, None], picture)


def _outlined(picture: UInt8, area: UInt8 | None) -> UInt8:
    """The picture with a white line, in black, around an area of a picture of the same shape; a copy."""
    if area is None:
        return picture
    size = (picture.shape[1], picture.shape[0])
    fitted = cv2.resize(area, size, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(fitted, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outlined = np.array(picture, np.uint8)
    for color, thickness in (((0, 0, 0), 4), ((255, 255, 255), 2)):
        cv2.drawContours(outlined, contours, -1, color, thickness)
    return outlined


def reduced(image: UInt8, interpolation: int = cv2.INTER_AREA) -> UInt8:
    """To LONGEST at most; a smaller image is returned as it is. The functions above take frames of either size."""
    height, width = image.shape[:2]
    scale = LONGEST / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=interpolation), dtype=np.uint8)


def _encoded(picture: UInt8, suffix: str) -> Picture:
    how = [cv2.IMWRITE_JPEG_QUALITY, QUALITY] if suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    _, data = cv2.imencode(suffix, picture, how)
    kind = "jpeg" if suffix == ".jpg" else "png"
    address = f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode()}"
    return Picture(address, picture.shape[1], picture.shape[0])
