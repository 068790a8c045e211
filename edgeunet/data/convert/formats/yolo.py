"""YOLO's polygons, as Ultralytics, CVAT, Roboflow and Label Studio write them: a .txt for each image.

The format is described at docs.ultralytics.com/datasets/segment. A line is an object: class x1 y1 x2 y2 …, the
coordinates as shares of the frame's width and height.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.labels.class_names import BACKGROUND, class_names
from edgeunet.data.convert.labels.frame_collector import Frames
from edgeunet.data.convert.labels.image_search import split_in
from edgeunet.data.convert.labels.labelled_frame import ConversionSource, ImageFile
from edgeunet.data.convert.labels.mask_classes import read_mask_classes
from edgeunet.data.convert.labels.shapes import LeftOut, Polygon, Shape, Shapes
from edgeunet.data.convert.layout import Layout
from edgeunet.data.pairs import name_in
from edgeunet.data.text_lines import plain_head, read_lines
from edgeunet.errors import DatasetError, ImageError
from edgeunet.utils.dependencies import needed
from edgeunet.utils.json_fields import plain_reason

_NAME_FILES = ("classes.txt", "obj.names")  # of Label Studio, and of Darknet
_LARGEST = 1 << 20  # bytes of a data.yaml
_LINE = 1 << 16  # bytes of a first line that are looked at
_OUTSIDE = 1.0  # how far a coordinate may be outside of 0 to 1 before it is no share


@dataclass(frozen=True)
class _DataYaml:
    """What is read of a data.yaml. Folders, or files that list images, are of one split each."""

    names: list[str | int] | dict[int, str | int] | None = None
    train: str | list[str] | None = None
    val: str | list[str] | None = None
    test: str | list[str] | None = None

    def places(self) -> Iterator[tuple[str, str]]:
        """(split, folder or list) as the file names them."""
        for split, given in (("train", self.train), ("val", self.val), ("test", self.test)):
            for place in [given] if isinstance(given, str) else given or []:
                yield split, place


@dataclass(frozen=True)
class _YoloDrawing:
    """The lines of one file. values: mask value of each class number."""

    file: Path
    values: Sequence[int | str]

    def __call__(self, size: tuple[int, int]) -> Iterator[Shape]:
        try:
            lines = read_lines(self.file)
        except DatasetError as error:
            raise ImageError(str(error).removeprefix(f"{self.file}, ")) from error
        for number, line in enumerate(lines, 1):
            if line:
                yield self._shape(line.split(), f"has in line {number}", size)

    def _shape(self, words: list[str], where: str, size: tuple[int, int]) -> Shape:
        try:
            label, *rest = map(float, words)  # NumPy's savetxt writes the class as 0.0 too
            numbers = np.array(rest)
        except ValueError as error:
            raise ImageError(f"{where} something that is not a number: a line is class x1 y1 x2 y2 …") from error
        if not (label.is_integer() and 0 <= label < len(self.values)):
            raise ImageError(f"{where} the class {label:g}, and the list has 0 to {len(self.values) - 1}")
        if len(numbers) == 4:
            return LeftOut("box(es) without a polygon")
        if len(numbers) % 2 or len(numbers) < 6:
            raise ImageError(f"{where} {len(numbers)} coordinates: x and y are two for each point")
        if not (np.isfinite(numbers).all() and numbers.min() >= -_OUTSIDE and numbers.max() <= 1 + _OUTSIDE):
            raise ImageError(f"{where} a coordinate that is not from 0 to 1, a share of the frame's width or height")
        return Polygon(self.values[int(label)], [numbers.reshape(-1, 2) * (size[1], size[0])])


def _label_files(path: Path) -> dict[tuple[str, ...], Path]:
    """The .txt of the labels by their places."""
    lists = {path / f"{split}.txt" for split in ("train", "val", "valid", "test")}
    files = (file for file in sorted(path.rglob("*.txt")) if file not in lists and file.name not in _NAME_FILES)
    return {_place(file.relative_to(path)): file for file in files if not file.name.startswith((".", "README"))}


def _place(inside: Path) -> tuple[str, ...]:
    """Where a file lies, without ending: the same for images/train/a.jpg and labels/train/a.txt."""
    return (*(part for part in inside.parts[:-1] if part not in ("images", "labels")), inside.stem)


def _yaml_of(path: Path) -> _DataYaml:
    """The data.yaml of an export, an empty one if there is none."""
    file = next((file for name in ("data", "dataset", "*") for file in sorted(path.glob(f"{name}.y*ml"))), None)
    if file is None:
        return _DataYaml()
    with needed("yaml"):
        import yaml
    wrong = f"{file} is not a data.yaml of YOLO"
    if file.stat().st_size > _LARGEST:
        raise DatasetError(f"{wrong} (it has more than 1 MB): it has names, and train and val")
    try:
        read: Any = yaml.safe_load(file.read_bytes())
        return msgspec.convert(read, _DataYaml, strict=False)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = plain_reason(error) if isinstance(error, msgspec.ValidationError) else str(error).splitlines()[0]
        raise DatasetError(f"{wrong} ({reason}): it has names, and train and val") from error


def _names(path: Path, listed: _DataYaml, classes: Path | None) -> tuple[list[str], str]:
    """The names of the class numbers, and the file that has them."""
    if isinstance(listed.names, dict):
        count = max(listed.names, default=-1) + 1
        if count > 1000 * (len(listed.names) + 1):
            raise DatasetError(f"{path} has a class {count - 1} in its data.yaml, of {len(listed.names)} names")
        return [str(listed.names.get(i, f"class_{i}")) for i in range(count)], f"{path}/data.yaml"
    if listed.names:
        return [str(name) for name in listed.names], f"{path}/data.yaml"
    for file in (folder / name for folder in (path, path / "labels") for name in _NAME_FILES):
        if file.is_file():
            return [line for line in read_lines(file) if line], str(file)
    if classes is not None:
        own = [e.name for e in read_mask_classes(classes).classes.entries if e.name.lower() not in BACKGROUND]
        return own, str(classes)
    raise DatasetError(f"{path} has no names of its classes: add a data.yaml with names, or give --classes")


def _split(inside: Path, listed: _DataYaml, lists: dict[str, set[str]]) -> str:
    """The split of an image, by the folder or list that data.yaml names, else by its folders."""
    folders = inside.parts[:-1]
    for split, place in listed.places():
        wanted = tuple(part for part in re.split(r"[/\\]+", place) if part not in ("", ".", ".."))
        if wanted and any(folders[i : i + len(wanted)] == wanted for i in range(len(folders))):
            return split
        if inside.name in lists.get(place, ()):
            return split
    return split_in(*folders)


def _recognise(path: Path) -> str | None:
    """By a .txt in a folder "labels" whose first line is an object, or any where a data.yaml is: for its error."""
    below = (folder for folder in sorted(path.glob("*/labels")) if not _is_whole(folder.parent))
    files = [file for folder in (*path.glob("labels"), *below) for file in sorted(folder.rglob("*.txt"))]
    if (first := next((file for file in files if _is_object(file)), None)) is not None:
        return f"YOLO, by {name_in(first, path)}"
    return "YOLO, by data.yaml and labels/" if files and (path / "data.yaml").is_file() else None


def _is_whole(folder: Path) -> bool:
    """Whether it is an export of its own, and no split of one: it has the names of the classes."""
    return any(folder.glob("*.y*ml")) or any((folder / name).is_file() for name in _NAME_FILES)


def _is_object(file: Path) -> bool:
    words = next(iter(plain_head(file, _LINE).splitlines()), b"").split()
    try:
        return len(words) > 4 and words[0].isdigit() and all(math.isfinite(float(word)) for word in words)
    except ValueError:
        return False


def _read(request: Request) -> ConversionSource:
    path, options = request.path, request.options
    listed = _yaml_of(path)
    labels, origin = _names(path, listed, options.classes)
    names = class_names(((label, None) for label in labels), origin, options.classes)
    values = [names.value(label) for label in labels]
    there = {file.name: file for file in path.glob("*.txt")}
    lists = {
        place: {Path(line.replace("\\", "/")).name for line in read_lines(there[Path(place).name])}
        for _, place in listed.places()
        if Path(place).name in there
    }
    frames = Frames(path, options.images)
    files = _label_files(path)
    of_stem = {place[-1]: place for place in files}
    used = set()
    for image in frames.every():
        inside = image.relative_to(options.images or path)
        place = _place(inside)
        if place not in files and options.images is not None:  # all in one folder, perhaps
            place = of_stem.get(inside.stem, place)
        used.add(place)
        file = files.get(place)
        if options.images is not None and file is not None:
            inside = Path(*("images" if part == "labels" else part for part in file.relative_to(path).parts))
        split = _split(inside, listed, lists)
        drawing = _YoloDrawing(file, values) if file is not None else _nothing
        frames.add(split, ImageFile(image), Shapes(file or image, None, names.background, "", drawing))
    for place in sorted(files.keys() - used):
        frames.add_missing(name_in(files[place], path))
    return frames.source(names.classes)


def _nothing(size: tuple[int, int]) -> Iterator[Shape]:
    """The shapes of an image without a .txt."""
    return iter(())


YOLO = Layout(
    "yolo",
    "YOLO's polygons: data.yaml, images/ and labels/ with a .txt for each image, or such a pair for each split",
    _recognise,
    _read,
    takes=("--classes", "--images"),
)
