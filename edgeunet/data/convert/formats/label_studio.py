"""Label Studio's brush masks: task-N-annotation-N-by-N-tag-LABEL-0.png, and its JSON, which says each task's image.

Its COCO and YOLO exports are read as those. The names are those of label_studio_sdk/converter/brush.py.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.labels.class_names import ClassNames, class_names
from edgeunet.data.convert.labels.frame_collector import Frames
from edgeunet.data.convert.labels.labelled_frame import ConversionSource, ImageFile, LabelSizeError
from edgeunet.data.convert.labels.shapes import Bitmap, Shape, Shapes
from edgeunet.data.convert.layout import Layout
from edgeunet.data.pairs import name_in
from edgeunet.data.text_lines import plain_head
from edgeunet.errors import DatasetError, ImageError
from edgeunet.imaging.mask_image import read_mask
from edgeunet.utils.json_fields import read_json

_NAME = re.compile(r"task-(\d+)-annotation-(\d+)-by-[^-]*-[^-]+-(.+)-\d+\.png")
_UPLOADED = re.compile("[0-9a-f]{8}-")  # what Label Studio puts before the name of a file
_LARGEST = 1 << 29  # bytes of the JSON, which has the masks once more


class _Task(msgspec.Struct, frozen=True):
    """Of "JSON" with data, of "JSON-MIN" with image."""

    id: int
    data: dict[str, Any] = {}
    file_upload: str | None = None
    image: str | None = None

    def image_name(self) -> str:
        """The name of its image's file, from an address such as /data/local-files/?d=photos/a.jpg."""
        found = (self.image, *(v for v in self.data.values() if isinstance(v, str)), self.file_upload)
        address = next((text for text in found if text), "")
        return re.split("[?]d=", address)[-1].split("?")[0]


class _Brush(NamedTuple):
    """A mask of one label."""

    label: str
    file: Path


@dataclass(frozen=True)
class _BrushDrawing:
    """The masks of one task."""

    brushes: Sequence[_Brush]
    names: ClassNames

    def __call__(self, size: tuple[int, int]) -> Iterator[Shape]:
        for label, file in self.brushes:
            try:
                mask = read_mask(file)
                drawn = mask.colors if mask.numbers is None else mask.numbers
                if drawn.shape != size:
                    raise LabelSizeError((drawn.shape[0], drawn.shape[1]), size)
            except ImageError as error:
                if file != self.brushes[0].file:  # which its caller names
                    error.what = f"{file.name}: {error.what}"
                raise
            yield Bitmap(self.names.value(label), 0, 0, drawn != 0)


def _brushes(path: Path) -> Iterator[tuple[int, int, _Brush]]:
    """(task, annotation, mask), by their numbers."""
    named = ((_NAME.fullmatch(file.name), file) for file in sorted(path.rglob("task-*.png")))
    found = [(int(m[1]), int(m[2]), _Brush(m[3], file)) for m, file in named if m is not None]
    yield from sorted(found, key=lambda one: one[:2])


def _recognise(path: Path) -> str | None:
    named = sorted(path.rglob("task-*-annotation-*.png"))
    first = next((file for file in named if _NAME.fullmatch(file.name)), None)
    return f"Label Studio's brush masks, by {name_in(first, path)}" if first is not None else None


def _read(request: Request) -> ConversionSource:
    path, options = request.path, request.options
    of_task: dict[int, dict[int, list[_Brush]]] = defaultdict(lambda: defaultdict(list))
    for task, annotation, brush in _brushes(path):
        of_task[task][annotation].append(brush)
    labels = [brush.label for found in of_task.values() for brushes in found.values() for brush in brushes]
    names = class_names(((label, None) for label in labels), str(path), options.classes)
    tasks = _tasks(path)
    frames = Frames(path, options.images)
    for task, found in of_task.items():
        if task not in tasks:
            raise DatasetError(f"{path} has masks of task {task}, which its JSON does not have: export both again")
        brushes = found[max(found)]
        shapes = Shapes(brushes[0].file, None, names.background, "", _BrushDrawing(brushes, names))
        named = tasks[task].image_name()
        folders, _, last = named.rpartition("/")
        image = frames.find(named) or frames.find(f"{folders}/{_UPLOADED.sub('', last, count=1)}")
        if image is None:
            frames.add_missing(named)
        else:
            frames.add("", ImageFile(image), shapes)
    more = sum(len(found) - 1 for found in of_task.values())
    return frames.source(
        names.classes, (f"{more} earlier annotation(s) of the same tasks are left out",) if more else ()
    )


def _tasks(path: Path) -> dict[int, _Task]:
    """The tasks by number, of the JSON that is a list."""
    files = [file for file in sorted(path.rglob("*.json")) if _is_list(file)]
    if len(files) != 1:
        raise DatasetError(
            f"{path} has {len(files)} JSON files of Label Studio, and one is needed, because the names of the masks do "
            "not say of which image they are: export the project as JSON too, and put that file there"
        )
    remedy = "export the project as JSON again"
    read = read_json(
        files[0], list[_Task], error=DatasetError, what="Label Studio's JSON", remedy=remedy, largest=_LARGEST
    )
    return {task.id: task for task in read}


def _is_list(file: Path) -> bool:
    return plain_head(file, 64).lstrip().startswith(b"[")


LABEL_STUDIO = Layout(
    "label_studio",
    "Label Studio's brush masks, task-N-annotation-N-….png, with its JSON; give --images where they are not there",
    _recognise,
    _read,
    takes=("--classes", "--images"),
)
