"""COCO's JSON, as many tools write it: CVAT, Label Studio, Roboflow and others; polygons and run lengths.

T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; the format is described at
cocodataset.org/#format-data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np

from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.labels.class_names import class_names
from edgeunet.data.convert.labels.frame_collector import Frames
from edgeunet.data.convert.labels.image_search import split_in
from edgeunet.data.convert.labels.json_keys import json_keys
from edgeunet.data.convert.labels.labelled_frame import ConversionSource, LabelSizeError
from edgeunet.data.convert.labels.run_lengths import mask_from_runs, unpacked_runs
from edgeunet.data.convert.labels.shapes import Bitmap, LeftOut, Polygon, Shape, Shapes
from edgeunet.data.convert.layout import Layout
from edgeunet.data.pairs import name_in
from edgeunet.errors import DatasetError, ImageError
from edgeunet.utils.json_fields import Number, Side, plain_reason, read_json

_LARGEST = 1 << 30  # bytes of a file: COCO's own has 450 MB


_Id: TypeAlias = int | float | str  # some programs write those of one file in two ways: 7, 7.0 and "7"


class _Picture(msgspec.Struct, frozen=True, gc=False):
    id: _Id
    file_name: str
    width: Side | None = None
    height: Side | None = None


class _Category(msgspec.Struct, frozen=True, gc=False):
    id: _Id
    name: str
    supercategory: str | None = None


class _Annotation(msgspec.Struct, frozen=True, gc=False):
    image_id: _Id
    category_id: _Id
    segmentation: msgspec.Raw = msgspec.Raw(b"null")  # of many frames; each is decoded when it is drawn


class _CocoFile(msgspec.Struct, frozen=True):
    images: list[_Picture]
    annotations: list[_Annotation]
    categories: list[_Category]


class _RunLengths(msgspec.Struct, frozen=True):
    size: tuple[Side, Side]
    counts: list[int] | str


_SEGMENTATION = msgspec.json.Decoder(list[list[Number]] | _RunLengths | None)


@dataclass(frozen=True)
class _CocoDrawing:
    """The annotations of one picture, and what their categories become.

    Those with iscrowd are drawn like others: CVAT sets it for every mask.
    """

    annotations: tuple[_Annotation, ...]
    values: dict[str, int | str]

    def __call__(self, size: tuple[int, int]) -> Iterator[Shape]:
        for annotation in self.annotations:
            category = _key(annotation.category_id)
            if category not in self.values:
                raise ImageError(f"has an annotation of category {category}, which it does not list")
            yield _shape(annotation, self.values[category], size)


def _key(number: _Id) -> str:
    return str(int(number) if isinstance(number, float) and number.is_integer() else number)


def _shape(annotation: _Annotation, value: int | str, size: tuple[int, int]) -> Shape:
    try:
        found = _SEGMENTATION.decode(annotation.segmentation)
    except (ValueError, RecursionError) as error:
        reason = plain_reason(error)
        raise ImageError(f"has a segmentation that is neither polygons nor run lengths ({reason})") from error
    if not found:
        return LeftOut("box(es) without a segmentation")
    if isinstance(found, _RunLengths):
        if found.size != size:
            raise LabelSizeError(found.size, size)
        counts = unpacked_runs(found.counts) if isinstance(found.counts, str) else found.counts
        return Bitmap(value, 0, 0, mask_from_runs(counts, size, by_columns=True))
    if odd := next((ring for ring in found if len(ring) % 2), None):
        raise ImageError(f"has a polygon of {len(odd)} numbers: x and y are two for each point")
    return Polygon(value, [np.array(ring, np.float64).reshape(-1, 2) for ring in found])


def _recognise(path: Path) -> str | None:
    files = _files(path)
    return f"COCO, by {name_in(files[0], path)}" if files else None


def _files(path: Path) -> list[Path]:
    """The COCO files of an export: on top, in annotations/, or in a folder for each split.

    COCO's own download has the same pictures in files of other tasks too: then those of instances.
    """
    found = [*path.glob("*.json"), *path.glob("*/*.json")]
    found = sorted(file for file in found if not file.name.startswith("."))
    files = [file for file in found if _is_coco(json_keys(file))]
    if instances := [file for file in files if "instances" in file.stem]:
        files = instances
    names = {file.name for file in files}
    # One that is called like the others but is damaged too, for its error.
    return [f for f in found if f in files or f.name in names or (instances and f.stem.startswith("instances_"))]


def _is_coco(keys: set[str]) -> bool:
    """Whether these are the keys at the two ends of such a file, in whose middle each list may be."""
    kinds = ({"image_id", "category_id"}, {"file_name", "categories"}, {"images", "annotations", "categories"})
    return any(keys >= kind for kind in kinds) and "segments_info" not in keys


def _read(request: Request) -> ConversionSource:
    path, options = request.path, request.options
    files = _files(path)
    if not files:
        raise DatasetError(f"{path} has no COCO file: a .json with images, annotations and categories")
    read = {file: _coco_of(file) for file in files}
    names = class_names(
        ((name, None) for file, coco in read.items() for name in _categories(coco, file).values()),
        name_in(files[0], path),
        options.classes,
    )
    frames = Frames(path, options.images)
    strays = 0
    for file, coco in read.items():
        values = {number: names.value(name) for number, name in _categories(coco, file).items()}
        annotations: dict[str, list[_Annotation]] = defaultdict(list)
        for annotation in coco.annotations:
            annotations[_key(annotation.image_id)].append(annotation)
        split = split_in(file.parent.name, file.stem)
        pictures = {_key(picture.id) for picture in coco.images}
        strays += sum(len(of_one) for key, of_one in annotations.items() if key not in pictures)
        for picture in coco.images:
            size = (picture.height, picture.width) if picture.height and picture.width else None
            drawing = _CocoDrawing(tuple(annotations.get(_key(picture.id), ())), values)
            labels = Shapes(file, size, names.background, picture.file_name, drawing)
            frames.find_and_add(split, picture.file_name, labels, near=(file.parent.name, split))
    return frames.source(
        names.classes, (f"{strays} annotation(s) of images that are not listed are left out",) if strays else ()
    )


def _coco_of(file: Path) -> _CocoFile:
    return read_json(
        file,
        _CocoFile,
        error=DatasetError,
        what="a COCO file",
        remedy="it has images, annotations and categories; export it again",
        largest=_LARGEST,
    )


def _categories(coco: _CocoFile, file: Path) -> dict[str, str]:
    """Names by id, without the group of all others that Roboflow adds and no annotation has.

    Raises DatasetError for two names of one id.
    """
    groups = {c.supercategory for c in coco.categories if c.name != c.supercategory}
    used = {_key(a.category_id) for a in coco.annotations}
    names: dict[str, str] = {}
    for c in coco.categories:
        if (other := names.setdefault(_key(c.id), c.name)) != c.name:
            raise DatasetError(f"{file} has two categories of the id {c.id}, {other} and {c.name}: export it again")
    return {_key(c.id): c.name for c in coco.categories if _key(c.id) in used or c.name not in groups}


COCO = Layout(
    "coco",
    "COCO's .json with polygons or run lengths: on top, in annotations/, or beside the images of each split",
    _recognise,
    _read,
    takes=("--classes", "--images"),
)
