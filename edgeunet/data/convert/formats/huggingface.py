"""Hugging Face's imagefolder: metadata.jsonl or metadata.csv with file_name, and a column that names the mask.

The format is described at huggingface.co/docs/datasets/image_dataset. Tables, .parquet and .arrow, are refused with the
command that saves them as files.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from edgeunet.data.classes import ClassEntry
from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.labels.image_search import split_in, unique_names
from edgeunet.data.convert.labels.labelled_frame import ConversionSource
from edgeunet.data.convert.labels.mask_classes import MaskClasses, classes_of_entries
from edgeunet.data.convert.layout import Layout
from edgeunet.data.convert.masks.mask_folders import source_of_pairs
from edgeunet.data.pairs import ImageMaskPair, Pairing, Problem, name_in
from edgeunet.data.text_lines import read_lines
from edgeunet.errors import DatasetError
from edgeunet.imaging.images import IMAGE_ENDINGS
from edgeunet.utils.json_fields import from_json, read_json

_LISTS = ("metadata.jsonl", "metadata.csv")
_IMAGE = "file_name"
_MASK = re.compile("mask|label|annot|segm|truth", re.IGNORECASE)
_Number = Annotated[int, Meta(ge=0, le=255)]
_NAMES = "id2label.json"
_SAVE = (
    'import os, datasets; [(os.makedirs(f"my_frames/{{f}}/{{s}}", exist_ok=True), '
    'row[c].save(f"my_frames/{{f}}/{{s}}/{{i:06}}.png")) for s, rows in {load}.items() for i, row in enumerate(rows) '
    'for f, c in (("images", "image"), ("masks", "label"))]'
)
_LONGEST = 255  # bytes of a name on every file system


class _ListedRow(NamedTuple):
    """A line of a list. place: for messages."""

    folder: Path
    place: str
    columns: dict[str, Any]


def _lists(path: Path) -> list[Path]:
    """On top, or in folders for each split."""
    return sorted(file for name in _LISTS for depth in ("", "*/", "*/*/") for file in path.glob(f"{depth}{name}"))


def _tables(path: Path) -> list[Path]:
    return sorted(file for ending in ("parquet", "arrow") for file in path.rglob(f"*.{ending}"))


def _recognise(path: Path) -> str | None:
    found = _lists(path) or _tables(path)
    return f"Hugging Face, by {name_in(found[0], path)}" if found else None


def _read(request: Request) -> ConversionSource:
    path = request.path
    files = _lists(path)
    if not files:
        raise DatasetError(_about_tables(path))
    rows = []
    for file in files:
        found_rows = list(_rows(file, path))
        if not found_rows:
            raise DatasetError(f"{file} has no line: each names an image and its mask")
        rows += found_rows
    column = _mask_column(rows, files[0])
    pairs: dict[str, dict[Path, ImageMaskPair]] = defaultdict(dict)
    unlabelled: dict[str, list[Path]] = defaultdict(list)
    problems = []
    for row in rows:
        split = split_in(*reversed(row.folder.relative_to(path).parts), *Path(str(row.columns.get(_IMAGE))).parts)
        image, mask = (_inside(row, name, path) for name in (_IMAGE, column))
        if isinstance(image, Problem) or isinstance(mask, Problem):
            problems += [found for found in (image, mask) if isinstance(found, Problem)]
        elif image is None:
            problems.append(Problem(row.place, f"has no {_IMAGE}"))
        elif any(image in own for own in pairs.values()):
            problems.append(Problem(row.place, "names an image that another line names"))
        elif mask is None:
            unlabelled[split].append(image)
        else:
            pairs[split][image] = ImageMaskPair(image, mask)
    found = {}
    for split in dict.fromkeys((*pairs, *unlabelled)):
        names = unique_names(pairs[split], path)
        named = {names[image]: pair for image, pair in pairs[split].items()}
        found[split] = Pairing(named, tuple(unlabelled[split]), (), ())
    return source_of_pairs(request, found, tuple(problems), listed=_id2label(path))


def _rows(file: Path, path: Path) -> Iterator[_ListedRow]:
    lines, name = read_lines(file), name_in(file, path)
    if file.suffix == ".csv":
        for number, columns in enumerate(csv.DictReader(lines), 2):
            yield _ListedRow(file.parent, f"{name}, line {number}", columns)
        return
    for number, line in enumerate(lines, 1):
        if line:
            origin = f"{file}, line {number},"
            columns = from_json(
                line,
                dict[str, Any],
                origin=origin,
                error=DatasetError,
                what="an object",
                remedy=f'a line is {{"{_IMAGE}": "a.jpg", "mask": "masks/a.png"}}',
            )
            yield _ListedRow(file.parent, f"{name}, line {number}", columns)


def _mask_column(rows: list[_ListedRow], file: Path) -> str:
    """The column that names masks: of those that name images the one whose name says so."""
    columns = dict.fromkeys(key for row in rows for key in row.columns if key is not None)
    images = [
        key
        for key in columns
        if key != _IMAGE and any(Path(str(row.columns.get(key))).suffix.lower() in IMAGE_ENDINGS for row in rows)
    ]
    said = [key for key in images if _MASK.search(key)] or images
    if len(said) != 1:
        have = ", ".join(map(str, columns))
        raise DatasetError(
            f"{file} has {len(said) or 'no'} column(s) that name a mask, of {have[:200]}: call one of them mask, with "
            f"the path of the mask's file, beside {_IMAGE}"
        )
    return said[0]


def _inside(row: _ListedRow, column: str, path: Path) -> Path | Problem | None:
    """The file that a column names, None if it names none."""
    named = row.columns.get(column)
    if named is None or named == "":
        return None
    parts = re.split(r"[/\\]+", str(named))
    file = row.folder.joinpath(*parts)
    possible = ".." not in parts and all(len(part.encode()) <= _LONGEST for part in parts)
    if not possible or not file.is_relative_to(path) or not file.is_file():
        return Problem(row.place, f"names {str(named)[:80]!r}, which is not there")
    return file


def _id2label(path: Path) -> MaskClasses | None:
    """The names of class numbers, as models of Hugging Face have them, if there is such a file."""
    file = path / _NAMES
    if not file.is_file():
        return None
    remedy = 'it looks like {"0": "background", "1": "road"}'
    names = read_json(file, dict[_Number, str], error=DatasetError, what="a list of classes", remedy=remedy)
    return classes_of_entries([ClassEntry(number, name, None) for number, name in sorted(names.items())], str(file))


def _about_tables(path: Path) -> str:
    tables = _tables(path)
    if not tables:
        return f"{path} has no {' or '.join(_LISTS)}"
    source = json.dumps(str(path.resolve()))
    if tables[0].suffix == ".parquet":
        load = f"datasets.load_dataset({source})"
    elif (path / "dataset_dict.json").is_file():
        load = f"datasets.load_from_disk({source})"
    else:
        load = f'{{"train": datasets.load_from_disk({source})}}'
    command = f"python -c {shlex.quote(_SAVE.format(load=load))}"
    return (
        f"{path} has tables such as {name_in(tables[0], path)}, and images and masks are read as files: this saves "
        f"them from columns named image and label, then convert my_frames:\n{command}"
    )


HUGGINGFACE = Layout(
    "huggingface",
    "Hugging Face's imagefolder: metadata.jsonl or metadata.csv with file_name and a column that names the mask",
    _recognise,
    _read,
    takes=("--classes", "--nearest"),
)
