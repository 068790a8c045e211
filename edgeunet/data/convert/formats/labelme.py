"""LabelMe's JSON: NAME.json for each image, with shapes, and perhaps the image itself in base64.

Written by LabelMe (github.com/wkentaro/labelme), and by AnyLabeling and others after it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec
import numpy as np

from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.labels.base64_text import bytes_from_base64
from edgeunet.data.convert.labels.class_names import ClassNames, class_names
from edgeunet.data.convert.labels.frame_collector import Frames
from edgeunet.data.convert.labels.image_search import ImageSearch, split_in
from edgeunet.data.convert.labels.json_keys import json_keys
from edgeunet.data.convert.labels.labelled_frame import ConversionSource, ImageFile
from edgeunet.data.convert.labels.shapes import Bitmap, LeftOut, Polygon, Shape, Shapes
from edgeunet.data.convert.layout import Layout
from edgeunet.data.pairs import name_in
from edgeunet.errors import DatasetError, ImageError
from edgeunet.imaging.image_header import read_header
from edgeunet.imaging.mask_image import decode_mask
from edgeunet.utils.json_fields import Number, Side, read_json

T = TypeVar("T")
_LARGEST = 1 << 29  # bytes of a file: an image in base64 is in it
_WITHOUT_AREA = {"line": "line(s)", "linestrip": "line(s)", "point": "point(s)", "points": "point(s)"}
_LOOKED_AT = 50  # files, to recognise an export
_CORNERS = 64  # of the polygon that stands for a circle


class _LabelMeShape(msgspec.Struct, frozen=True):
    label: str
    points: list[tuple[Number, Number]]
    shape_type: str | None = None
    mask: str | None = None


class _LabelMeFile(msgspec.Struct, frozen=True, rename="camel"):
    shapes: list[_LabelMeShape]
    image_path: str | None = None
    image_data: str | None = None
    image_height: Side | None = None
    image_width: Side | None = None


class _LabelOnly(msgspec.Struct, frozen=True):
    label: str


class _LabelsOnly(msgspec.Struct, frozen=True, rename="camel"):
    """The same file without what is large."""

    shapes: list[_LabelOnly]
    image_path: str | None = None
    image_height: Side | None = None
    image_width: Side | None = None


@dataclass(frozen=True)
class _EmbeddedImage:
    """An image that is inside a JSON."""

    path: Path
    ending: str = ""

    def read(self) -> bytes:
        data = bytes_from_base64(_whole(self.path).image_data or "", "an imageData")
        try:
            read_header(data)
        except ImageError as error:
            raise ImageError(f"has an imageData that {error.what}") from error
        return data


@dataclass(frozen=True)
class _LabelMeDrawing:
    """The shapes of one file, which is read when they are drawn."""

    file: Path
    names: ClassNames

    def __call__(self, size: tuple[int, int]) -> Iterator[Shape]:
        for shape in _whole(self.file).shapes:
            yield _shape(shape, self.names.value(shape.label))


def _shape(shape: _LabelMeShape, value: int | str) -> Shape:
    kind = shape.shape_type or "polygon"
    if kind in _WITHOUT_AREA:
        return LeftOut(_WITHOUT_AREA[kind])
    points = np.array(shape.points, np.float64).reshape(-1, 2)
    if kind in ("polygon", "rotation", "quadrilateral"):
        return Polygon(value, [points])
    if kind not in ("rectangle", "circle", "mask"):
        return LeftOut(f"{kind[:40]} shape(s)")
    if kind == "rectangle" and len(points) == 4:  # of AnyLabeling
        return Polygon(value, [points])
    if len(points) != 2:
        raise ImageError(f"has a {kind} of {len(points)} points: it has 2")
    (x, y), (other_x, other_y) = points
    if kind == "rectangle":
        return Polygon(value, [np.array([[x, y], [other_x, y], [other_x, other_y], [x, other_y]])])
    if kind == "circle":
        angles = np.linspace(0, 2 * math.pi, _CORNERS, endpoint=False)
        radius = math.hypot(other_x - x, other_y - y)
        return Polygon(value, [np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius + (x, y)])
    return _bitmap(shape.mask, round(x), round(y), value)


def _bitmap(text: str | None, left: int, top: int, value: int | str) -> Bitmap:
    data = bytes_from_base64(text or "", "a mask")
    try:
        numbers = decode_mask(data).numbers
    except ImageError as error:
        raise ImageError(f"has a mask that {error.what}") from error
    if numbers is None:
        raise ImageError("has a mask in colours: it is 0 where the object is not")
    return Bitmap(value, left, top, numbers != 0)


def _whole(file: Path) -> _LabelMeFile:
    return _read_as(file, _LabelMeFile)


def _read_as(file: Path, kind: type[T]) -> T:
    remedy = "save it with LabelMe again"
    return read_json(file, kind, error=DatasetError, what="a LabelMe file", remedy=remedy, largest=_LARGEST)


def _is_labelme(file: Path) -> bool:
    keys = set() if file.name.startswith(".") else json_keys(file)
    return "shapes" in keys and not keys.isdisjoint(("imagePath", "imageData", "imageHeight", "imageWidth"))


def _recognise(path: Path) -> str | None:
    some = islice(sorted(path.rglob("*.json")), _LOOKED_AT)
    first = next((file for file in some if _is_labelme(file)), None)
    return f"LabelMe, by {name_in(first, path)}" if first else None


def _read(request: Request) -> ConversionSource:
    path, options = request.path, request.options
    images = {image.with_suffix("") for image in ImageSearch(path).every()}
    files = (file for file in sorted(path.rglob("*.json")) if _is_labelme(file) or file.with_suffix("") in images)
    read = {file: _read_as(file, _LabelsOnly) for file in files}  # a damaged one beside its image too, for its error
    if not read:
        raise DatasetError(f"{path} has no LabelMe file: a .json with shapes and imagePath")
    names = class_names(((s.label, None) for one in read.values() for s in one.shapes), str(path), options.classes)
    frames = Frames(path, options.images)
    for file, one in read.items():
        size = (one.image_height, one.image_width) if one.image_height and one.image_width else None
        labels = Shapes(file, size, names.background, "", _LabelMeDrawing(file, names))
        folders = file.parent.relative_to(path).parts
        split, named = split_in(*reversed(folders)), one.image_path or file.name
        if (found := frames.find(named, folders)) is not None:
            frames.add(split, ImageFile(found), labels)
        elif _whole(file).image_data:
            frames.add(split, _EmbeddedImage(file), labels)
        else:
            frames.add_missing(named)
    return frames.source(names.classes)


LABELME = Layout(
    "labelme",
    "LabelMe: a .json for each image, beside it or in folders",
    _recognise,
    _read,
    takes=("--classes", "--images"),
)
