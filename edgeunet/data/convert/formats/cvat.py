"""CVAT's own export "CVAT for images 1.1": annotations.xml and images/; and its export "CamVid 1.0".

The format is described at docs.cvat.ai, "XML annotation format".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np

from edgeunet.data.classes import COLORS_FILE, Color, read_classes
from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.distinct_colors import color_from_hex
from edgeunet.data.convert.labels.class_names import ClassNames, class_names
from edgeunet.data.convert.labels.frame_collector import Frames
from edgeunet.data.convert.labels.image_search import split_in
from edgeunet.data.convert.labels.labelled_frame import ConversionSource, ImageFile
from edgeunet.data.convert.labels.mask_classes import classes_of_entries
from edgeunet.data.convert.labels.mask_file import MaskFile
from edgeunet.data.convert.labels.mask_table import MaskTable
from edgeunet.data.convert.labels.run_lengths import mask_from_runs
from edgeunet.data.convert.labels.shapes import Bitmap, LeftOut, Points, Polygon, Shape, Shapes
from edgeunet.data.convert.layout import Layout
from edgeunet.data.text_lines import plain_head
from edgeunet.errors import DatasetError, ImageError, system_reason
from edgeunet.imaging.images import images_in
from edgeunet.utils.limits import SIDE

_FILE = "annotations.xml"
_HEAD = 1 << 16  # bytes that are looked at to recognise a file
_AREAS = ("polygon", "box", "ellipse", "mask")
_WITHOUT_AREA = {"polyline": "polyline(s)", "points": "point(s)", "cuboid": "cuboid(s)", "skeleton": "skeleton(s)"}
_CORNERS = 64  # of the polygon that stands for an ellipse
_Attributes = dict[str, str]


@dataclass
class _Image:
    """An <image> and its shapes, (tag, attributes), in the order of the file."""

    attributes: _Attributes
    shapes: list[tuple[str, _Attributes]] = field(default_factory=list)


class _Parser:
    """Reads the file in one pass. Entities, which could grow without end, are refused; CVAT writes none."""

    def __init__(self) -> None:
        self.images: list[_Image] = []
        self.labels: list[tuple[str, Color | None]] = []
        self.tracks = False
        self._text = ""
        self._label: dict[str, str] = {}
        self._path: list[str] = []

    def read(self, file: Path) -> None:
        parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._more
        parser.EntityDeclHandler = self._entity
        try:
            with file.open("rb") as opened:
                parser.ParseFile(opened)
        except (expat.ExpatError, ValueError, LookupError) as error:  # the last of an unknown encoding
            raise DatasetError(f"{file} is not CVAT's XML ({error}): export it again") from error
        except OSError as error:
            raise DatasetError(f"{file} cannot be read ({system_reason(error)})") from error

    def _start(self, tag: str, attributes: _Attributes) -> None:
        if len(self._path) > 100:
            raise ValueError("it is nested too deep")
        self._text = ""
        if tag == "image":
            self.images.append(_Image(attributes))
        elif self._path[-1:] == ["image"] and (tag in _AREAS or tag in _WITHOUT_AREA):
            self.images[-1].shapes.append((tag, attributes))
        elif tag == "label":
            self._label = {}
        self.tracks |= tag == "track"
        self._path.append(tag)

    def _end(self, tag: str) -> None:
        self._path.pop()
        if self._path[-1:] == ["label"]:
            self._label[tag] = self._text.strip()
        elif tag == "label" and self._label.get("name"):
            self.labels.append((self._label["name"], color_from_hex(self._label.get("color", ""))))

    def _more(self, text: str) -> None:
        self._text += text

    def _entity(self, *declaration: object) -> None:
        raise ValueError("it declares an entity, which CVAT does not")


@dataclass(frozen=True)
class _CvatDrawing:
    """The shapes of one <image>, drawn by z_order, those of the same one in the order of the file."""

    shapes: tuple[tuple[str, _Attributes], ...]
    names: ClassNames

    def __call__(self, size: tuple[int, int]) -> Iterator[Shape]:
        for tag, attributes in sorted(self.shapes, key=lambda s: _number(s[1], "z_order", 0.0)):
            if tag in _WITHOUT_AREA:
                yield LeftOut(_WITHOUT_AREA[tag])
                continue
            value = self.names.value(attributes.get("label", ""))
            if tag == "mask":
                yield _mask(attributes, value)
            else:
                yield Polygon(value, [_outline(tag, attributes)])


def _outline(tag: str, attributes: _Attributes) -> Points:
    """Polygon, box or ellipse as points; the last two turned around their middle, by degrees to the right."""
    if tag == "polygon":
        return _points(attributes.get("points", ""))
    if tag == "box":
        left, top, right, bottom = (_number(attributes, name) for name in ("xtl", "ytl", "xbr", "ybr"))
        points = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    else:
        middle = [_number(attributes, "cx"), _number(attributes, "cy")]
        angles = np.linspace(0, 2 * math.pi, _CORNERS, endpoint=False)
        radii = (_number(attributes, "rx"), _number(attributes, "ry"))
        points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii + middle
    angle = math.radians(_number(attributes, "rotation", 0.0))
    if not angle:
        return points
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    middle = points.mean(axis=0)
    return np.asarray((points - middle) @ turn + middle)


def _mask(attributes: _Attributes, value: int | str) -> Bitmap:
    left, top, width, height = (int(_number(attributes, name)) for name in ("left", "top", "width", "height"))
    if not (0 < width <= SIDE and 0 < height <= SIDE):
        raise ImageError(f"has a mask of {width}x{height} pixels: export it again")
    try:
        counts = [int(text) for text in attributes.get("rle", "").split(",")]
    except ValueError as error:
        raise ImageError("has a mask whose run lengths are not whole numbers: export it again") from error
    return Bitmap(value, left, top, mask_from_runs(counts, (height, width), by_columns=False))


def _points(text: str) -> Points:
    """ "x,y;x,y" as [n, 2]."""
    try:
        return np.array([[float(x), float(y)] for x, y in (pair.split(",") for pair in text.split(";"))])
    except ValueError as error:
        raise ImageError(f"has a polygon whose points are not x,y;x,y: {text[:40]!r}") from error


def _number(attributes: _Attributes, name: str, default: float | None = None) -> float:
    text = attributes.get(name)
    if text is None and default is not None:
        return default
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ImageError(f"has a shape whose {name} is not a number: {text!r}")
    return value


def _recognise_images(path: Path) -> str | None:
    file = _xml_of(path)
    return None if file is None else f"CVAT for images, by {file.name}"


def _xml_of(path: Path) -> Path | None:
    """annotations.xml, or a file of another name, as some downloads have it."""
    files = (path / _FILE, *sorted(path.glob("*.xml")))
    return next((file for file in files if file.is_file() and _is_cvat(file)), None)


def _is_cvat(file: Path) -> bool:
    head = plain_head(file, _HEAD)
    return b"<annotations" in head and (b"<meta" in head or b"<image" in head)


def _read_images(request: Request) -> ConversionSource:
    path, options = request.path, request.options
    file, read = _xml_of(path), _Parser()
    if file is None:
        raise DatasetError(f"{path} has no {_FILE}: give the folder that has it")
    read.read(file)
    if read.tracks:
        raise DatasetError(f"{file} has the tracks of a video: export it as CVAT for images 1.1, which has its frames")
    if not read.images:
        raise DatasetError(f"{file} has no images: export it as CVAT for images 1.1")
    labels = read.labels or [(a.get("label", ""), None) for image in read.images for tag, a in image.shapes]
    names = class_names(labels, str(file), options.classes)
    frames = Frames(path, options.images)
    for image in read.images:
        name, subset = image.attributes.get("name", ""), image.attributes.get("subset", "")
        labels_of = Shapes(file, _size(file, image), names.background, name, _CvatDrawing(tuple(image.shapes), names))
        frames.find_and_add(split_in(subset), name, labels_of, near=("images", subset))
    return frames.source(names.classes)


def _size(file: Path, image: _Image) -> tuple[int, int]:
    try:
        return int(image.attributes["height"]), int(image.attributes["width"])
    except (KeyError, ValueError) as error:
        name = image.attributes.get("name", "an image")
        raise DatasetError(f"{file} does not say width and height of {name}: export it again") from error


def _recognise_camvid(path: Path) -> str | None:
    splits = _camvid_splits(path) if (path / COLORS_FILE).is_file() else []
    return f"CamVid of CVAT, by {COLORS_FILE} and {splits[0]}annot/" if splits else None


def _camvid_splits(path: Path) -> list[str]:
    return sorted(p.name.removesuffix("annot") for p in path.glob("?*annot") if p.is_dir())


def _read_camvid(request: Request) -> ConversionSource:
    """Masks in the colours of label_colors.txt; what they leave black is background."""
    path, options = request.path, request.options
    listed = read_classes(path / COLORS_FILE)
    names = class_names(((e.name, e.color) for e in listed.entries), listed.origin)
    own = classes_of_entries(names.classes.entries, names.classes.origin)
    table = MaskTable.of_colors({(0, 0, 0): names.background} | own.colors())
    frames = Frames(path, options.images)
    for split in _camvid_splits(path):
        for mask in images_in(path / f"{split}annot"):
            found = frames.find_stem(mask.stem, (split,))
            if found is None or found == mask:
                frames.add_missing(f"{split}/{mask.stem}")
            else:
                frames.add(split_in(split), ImageFile(found), MaskFile(mask, table))
    return frames.source(names.classes)


CVAT_IMAGES = Layout(
    "cvat",
    f"CVAT for images 1.1: {_FILE} and images/",
    _recognise_images,
    _read_images,
    takes=("--classes", "--images"),
)
CVAT_CAMVID = Layout(
    "cvat_camvid",
    f"CamVid 1.0 of CVAT: {COLORS_FILE}, default/ and defaultannot/, or a pair for each split",
    _recognise_camvid,
    _read_camvid,
    takes=("--images",),
)
