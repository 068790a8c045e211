"""Supervisely's project: meta.json, and datasets with ann/IMAGE.jpg.json and img/IMAGE.jpg.

The format is described at developer.supervisely.com, "Supervisely annotation format".
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.distinct_colors import color_from_hex
from edgeunet.data.convert.labels.base64_text import bytes_from_base64
from edgeunet.data.convert.labels.class_names import ClassNames, class_names
from edgeunet.data.convert.labels.frame_collector import Frames
from edgeunet.data.convert.labels.image_search import split_in
from edgeunet.data.convert.labels.json_keys import json_keys
from edgeunet.data.convert.labels.labelled_frame import ConversionSource
from edgeunet.data.convert.labels.shapes import Bitmap, LeftOut, Polygon, Shape, Shapes
from edgeunet.data.convert.layout import Layout
from edgeunet.errors import DatasetError, ImageError
from edgeunet.imaging.image_header import read_header
from edgeunet.imaging.images import decode
from edgeunet.utils.json_fields import Number, Side, read_json

_WITHOUT_AREA = {"point": "point(s)", "line": "line(s)", "graph": "skeleton(s)", "cuboid": "cuboid(s)"}
_LARGEST_BITMAP = 1 << 28  # bytes of a bitmap after it is decompressed
T = TypeVar("T")
_REMEDY = "export the project again"


class _MetaClass(msgspec.Struct, frozen=True):
    title: str
    color: str = ""


class _Meta(msgspec.Struct, frozen=True):
    classes: list[_MetaClass]


class _SuperviselySize(msgspec.Struct, frozen=True):
    height: Side
    width: Side


class _Outline(msgspec.Struct, frozen=True):
    exterior: list[tuple[Number, Number]] = []
    interior: list[list[tuple[Number, Number]]] = []


class _Packed(msgspec.Struct, frozen=True):
    data: str
    origin: tuple[int, int]


class _Object(msgspec.Struct, frozen=True, rename="camel"):
    class_title: str
    geometry_type: str
    points: _Outline = _Outline()
    bitmap: _Packed | None = None


class _SizeOnly(msgspec.Struct, frozen=True):
    size: _SuperviselySize


class _Annotated(msgspec.Struct, frozen=True):
    objects: list[_Object] = []


@dataclass(frozen=True)
class _SuperviselyDrawing:
    """The objects of one file, which is read when they are drawn."""

    file: Path
    names: ClassNames

    def __call__(self, size: tuple[int, int]) -> Iterator[Shape]:
        for one in _read_as(self.file, _Annotated).objects:
            yield _shape(one, self.names.value(one.class_title))


def _shape(one: _Object, value: int | str) -> Shape:
    kind = one.geometry_type
    if kind == "bitmap" and one.bitmap is not None:
        left, top = one.bitmap.origin
        return Bitmap(value, left, top, _pixels(one.bitmap.data))
    exterior = np.array(one.points.exterior, np.float64).reshape(-1, 2)
    if kind == "polygon":
        return Polygon(value, [exterior], [np.array(hole, np.float64).reshape(-1, 2) for hole in one.points.interior])
    if kind == "rectangle" and len(exterior) == 2:
        (left, top), (right, bottom) = exterior
        return Polygon(value, [np.array([[left, top], [right, top], [right, bottom], [left, bottom]])])
    return LeftOut(_WITHOUT_AREA.get(kind, f"{kind[:40]} object(s)"))


def _pixels(text: str) -> NDArray[np.bool_]:
    """A PNG, compressed once more and in base64, as bool [h, w]: its alpha channel, or its only one."""
    packed = bytes_from_base64(text, "a bitmap")
    try:
        data = zlib.decompressobj().decompress(packed, _LARGEST_BITMAP)
    except zlib.error as error:
        raise ImageError(f"has a bitmap that cannot be unpacked ({error})") from error
    try:
        read_header(data)
    except ImageError as error:
        raise ImageError(f"has a bitmap that {error.what}") from error
    image = decode(data, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ImageError("has a bitmap that is cut or damaged")
    return np.asarray((image[..., -1] if image.ndim == 3 else image) != 0, bool)


def _read_as(file: Path, kind: type[T]) -> T:
    return read_json(file, kind, error=DatasetError, what="a Supervisely annotation", remedy=_REMEDY)


def _annotations(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("ann/*.json") if not file.name.startswith("."))


def _recognise(path: Path) -> str | None:
    found = "classes" in json_keys(path / "meta.json") and next(path.rglob("ann/*.json"), None) is not None
    return "Supervisely, by meta.json and ann/" if found else None


def _read(request: Request) -> ConversionSource:
    path, options = request.path, request.options
    file = path / "meta.json"
    meta = read_json(file, _Meta, error=DatasetError, what="Supervisely's list of classes", remedy=_REMEDY)
    names = class_names(((c.title, color_from_hex(c.color)) for c in meta.classes), str(file), options.classes)
    frames = Frames(path, options.images)
    for annotation in _annotations(path):
        size = _read_as(annotation, _SizeOnly).size
        folders = annotation.parent.relative_to(path).parts
        labels = Shapes(
            annotation, (size.height, size.width), names.background, "", _SuperviselyDrawing(annotation, names)
        )
        near = (*folders[:-1], "img")
        frames.find_and_add(split_in(*reversed(folders[:-1])), "/".join((*near, annotation.stem)), labels, near)
    return frames.source(names.classes)


SUPERVISELY = Layout(
    "supervisely",
    "Supervisely: meta.json, and datasets with ann/ and img/",
    _recognise,
    _read,
    takes=("--classes", "--images"),
)
