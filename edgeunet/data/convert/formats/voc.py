"""Pascal VOC's folders, which CVAT (segmentation mask 1.1, Pascal VOC 1.1) and labelme2voc write too.

M. Everingham et al., "The Pascal Visual Object Classes Challenge: A Retrospective", IJCV 2015. JPEGImages/ has the
images, SegmentationClass/ the masks, ImageSets/Segmentation/ the names of each split.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from edgeunet.data.classes import VOID, ClassEntry, ClassList, Color
from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.labels.class_names import class_names
from edgeunet.data.convert.labels.frame_collector import Frames
from edgeunet.data.convert.labels.image_search import split_in
from edgeunet.data.convert.labels.labelled_frame import ConversionSource, ImageFile, Labels
from edgeunet.data.convert.labels.mask_classes import classes_of_entries, read_mask_classes
from edgeunet.data.convert.labels.mask_file import MaskFile
from edgeunet.data.convert.labels.mask_table import MaskTable
from edgeunet.data.convert.layout import Layout
from edgeunet.data.convert.masks.mask_array import MaskArray
from edgeunet.data.text_lines import read_lines
from edgeunet.errors import DatasetError, ImageError
from edgeunet.imaging.image_header import read_header
from edgeunet.imaging.images import is_hidden, is_image_name, read_file
from edgeunet.spec import IGNORE

_IMAGES, _LISTS = "JPEGImages", "ImageSets/Segmentation"
_MASKS = (
    "SegmentationClassPNG",
    "SegmentationClass",
    "SegmentationClassNpy",
)
_COLORS, _NAMES = "labelmap.txt", "class_names.txt"
_BORDER = (224, 224, 192)  # as 255 is drawn
_VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


class _Meaning(NamedTuple):
    """The classes, and what the masks' values are."""

    classes: ClassList
    table: MaskTable
    notes: tuple[str, ...] = ()


def _recognise(path: Path) -> str | None:
    masks = _mask_files(path)
    if not masks:
        return None
    folder = next(iter(masks.values())).relative_to(path).parts[0]
    if (path / _COLORS).is_file():
        return f"CVAT segmentation mask or Pascal VOC, by {_COLORS} and {folder}/"
    if (path / _NAMES).is_file() and not (path / _LISTS).is_dir():
        return f"labelme2voc, by {_NAMES} and {folder}/"
    return f"Pascal VOC, by {folder}/"


def _mask_files(path: Path) -> dict[str, Path]:
    """The mask of each name, which may have folders before it; arrays only where there are no images of masks."""
    for ending in ("", ".npy"):  # older labelme2voc has arrays in SegmentationClass/
        for root in (path / name for name in _MASKS):
            found = {}
            for folder, below, names in os.walk(root):
                below[:] = sorted(name for name in below if not name.startswith("."))
                for file in (Path(folder) / name for name in sorted(names)):
                    if file.suffix == ending if ending else is_image_name(file):
                        found[file.relative_to(root).with_suffix("").as_posix()] = file
            if found:
                return found
    return {}


def _read(request: Request) -> ConversionSource:
    """Masks that lists name, or all if there are none; a name in a list may have no mask."""
    path, options = request.path, request.options
    masks = _mask_files(path)
    if not masks:
        raise DatasetError(f"{path} has no masks in {_MASKS[1]}/: give the folder that has it")
    if options.images is None and not (path / _IMAGES).is_dir():
        raise DatasetError(
            f"{path} has no {_IMAGES}/: tick the tool's option that saves images too (CVAT: Save images), or give "
            "--images DIR"
        )
    meaning = _meaning(request, masks)
    frames = Frames(path / _IMAGES, options.images)
    splits, notes = _splits(path, masks)
    for name, split in splits.items():
        found = frames.find_stem(name, (split,))
        mask = masks[name]
        labels: Labels = (MaskArray if mask.suffix == ".npy" else MaskFile)(mask, meaning.table)
        if found is None:
            frames.add_missing(f"{name} (any ending)")
        else:
            frames.add(split, ImageFile(found), labels)
    return frames.source(meaning.classes, (*meaning.notes, *notes))


def _splits(path: Path, masks: Mapping[str, Path]) -> tuple[dict[str, str], list[str]]:
    """The split of each mask to be used, and notes about the others. Raises DatasetError for a name in two splits."""
    files = sorted(file for file in (path / _LISTS).glob("*.txt") if not is_hidden(file))
    files = [file for file in files if file.stem != "trainval"] or files
    bare = {PurePosixPath(name).name: name for name in masks}
    splits: dict[str, str] = {}
    lacking = 0
    for file in files:
        split = split_in(file.stem) if file.stem != "trainval" else ""
        for line in filter(None, read_lines(file)):
            last = PurePosixPath(line)
            named = line if line in masks else bare.get(last.stem if is_image_name(Path(line)) else last.name)
            if named is None:
                lacking += 1
            elif splits.setdefault(named, split) != split:
                raise DatasetError(
                    f"{file} names {line[:80]!r}, which another list has too: a frame is in one split only"
                )
    if not splits:
        return dict.fromkeys(masks, ""), [f"{_LISTS}/ names no mask that is there: all are taken"] if lacking else []
    notes = []
    if lacking:
        notes.append(f"{lacking} name(s) of {_LISTS}/ have no mask and are left out")
    if left := len(masks) - len(splits):
        notes.append(f"{left} mask(s) are not in any list and are left out")
    return splits, notes


def _meaning(request: Request, masks: Mapping[str, Path]) -> _Meaning:
    path, options = request.path, request.options
    if options.classes is None and (path / _COLORS).is_file():
        meaning = _of_labelmap(path / _COLORS)
        return meaning._replace(table=replace(meaning.table, nearest=options.nearest))
    colored = _are_colored(masks)
    notes: tuple[str, ...] = ()
    if options.classes is not None:
        listed = read_mask_classes(options.classes)
    elif (path / _NAMES).is_file():
        names = [line for line in read_lines(path / _NAMES) if line]
        listed = classes_of_entries(_entries(names), str(path / _NAMES))
    else:
        listed = classes_of_entries(_entries(_VOC), "the 21 names of Pascal VOC")
        notes = ("there is no list of names, so those of Pascal VOC are taken: --classes gives others",)
    in_colors = colored or not listed.numbers
    table = MaskTable.of_colors({_BORDER: IGNORE} | listed.colors()) if in_colors else listed.table(in_colors=False)
    return _Meaning(listed.classes, replace(table, nearest=options.nearest and in_colors), notes)


def _of_labelmap(file: Path) -> _Meaning:
    """Lines of "name:red,green,blue:parts:actions"; what no label covers is black."""
    labels: list[tuple[str, Color]] = []
    for number, line in enumerate(read_lines(file), 1):
        if not line or line.startswith("#"):
            continue
        name, *rest = line.rsplit(":", 3)
        values = rest[0].split(",") if len(rest) == 3 else []
        if len(values) != 3 or not all(v.strip().isdecimal() and int(v.strip()[:4]) <= 255 for v in values):
            raise DatasetError(
                f'{file}, line {number}: expected "name:red,green,blue:parts:actions", got {line[:60]!r}'
            )
        labels.append((name, (int(values[0]), int(values[1]), int(values[2]))))
    names = class_names(labels, str(file))
    colors = {(0, 0, 0): names.background} | {color: names.values[name] for name, color in labels}
    return _Meaning(names.classes, MaskTable.of_colors(colors))


def _entries(names: list[str] | tuple[str, ...]) -> list[ClassEntry]:
    return [ClassEntry(i, name, _color(i), name.lower() in VOID) for i, name in enumerate(names[: IGNORE + 1])]


def _color(index: int) -> Color:
    """VOC's colour of a class: bits 0, 1 and 2 of the index are the highest of red, green and blue, and so on down."""
    red, green, blue = (
        sum((index >> (3 * bit + channel) & 1) << (7 - bit) for bit in range(8)) for channel in range(3)
    )
    return red, green, blue


def _are_colored(masks: Mapping[str, Path]) -> bool:
    """Whether the first mask that can be read has colours instead of a palette or numbers."""
    for file in masks.values():
        if file.suffix == ".npy":
            return False
        try:
            header = read_header(read_file(file))
        except ImageError:
            continue  # reported when it is converted
        return not header.palette and header.channels >= 3
    return False


VOC = Layout(
    "voc",
    f"Pascal VOC, CVAT's segmentation mask 1.1, labelme2voc: {_MASKS[1]}/ and {_IMAGES}/",
    _recognise,
    _read,
    takes=("--classes", "--images", "--nearest"),
)
