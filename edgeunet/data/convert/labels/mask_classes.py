"""What the numbers or colours of masks mean: a list of classes that names them, in any order, several to one class."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edgeunet.data.classes import VOID, ClassEntry, ClassList, Color, read_entries
from edgeunet.data.convert.distinct_colors import colors_beside
from edgeunet.data.convert.labels.mask_table import MaskTable
from edgeunet.data.text_lines import read_lines
from edgeunet.errors import DatasetError
from edgeunet.spec import IGNORE

HEADER = "value,name,color,ignore"
_COLUMNS = {  # as tools name them
    "value": ("value", "pixel value", "index", "id"),
    "name": ("name", "class", "label"),
    "color": ("color", "colour"),
    "ignore": ("ignore", "ignored"),
    "r": ("r", "red"),
    "g": ("g", "green"),
    "b": ("b", "blue"),
}
_EXPECTED = f'"{HEADER}" such as "1,road,#804080,no" or "128 64 128,road,,no", or "name,r,g,b"'
_GIVE = "`edgeunet data classes` writes a list of what they have, to give with --classes"
_YES, _NO = ("1", "true", "yes", "x", "y"), ("0", "false", "no", "n")


class MaskValue(NamedTuple):
    """One number or colour of the masks, or both, and the value that it becomes."""

    number: int | None
    color: Color | None
    becomes: int


@dataclass(frozen=True)
class MaskClasses:
    """classes: of the dataset to be made. values: of the masks; what is ignored is among them. names: what each name
    of the list becomes."""

    classes: ClassList
    values: tuple[MaskValue, ...]
    names: Mapping[str, int]

    @property
    def numbers(self) -> dict[int, int]:
        """What each number becomes; 255 is ignored if nothing else is said. Empty if the list has colours only."""
        found = {v.number: v.becomes for v in self.values if v.number is not None}
        return {IGNORE: IGNORE, **found} if found else {}

    def table(self, *, in_colors: bool) -> MaskTable:
        """Raises DatasetError if the list does not have what the masks have, or two classes have the same colour."""
        if not in_colors:
            if not self.numbers:
                raise DatasetError(f"{self.classes.origin} has colours, and the masks are read as numbers: {_GIVE}")
            return MaskTable.of_values(self.numbers)
        if not (colors := self.colors()):
            raise DatasetError(f"{self.classes.origin} has no colours, and the masks are read as colours: {_GIVE}")
        return MaskTable.of_colors(colors)

    def colors(self) -> dict[Color, int]:
        """What each colour becomes. Raises DatasetError if two classes have the same."""
        found: dict[Color, int] = {}
        for _, color, becomes in self.values:
            if color is not None and found.setdefault(color, becomes) != becomes:
                names = {e.index: e.name for e in self.classes.entries}
                raise DatasetError(
                    f"{self.classes.origin}: {names[found[color]]} and {names[becomes]} have the same color {color}: "
                    "masks in colours cannot tell them apart"
                )
        return found


def holds_numbers(masks: Iterable[Collection[int]], known: Mapping[int, int], classes: ClassList) -> bool:
    """Whether masks of these numbers hold the known ones: all of them are, and they show more than one class.

    known: what each number becomes, of a MaskClasses.
    """
    found = [set(numbers) for numbers in masks]
    shown = {known[n] for numbers in found for n in numbers & known.keys()}
    return all(n and n <= known.keys() for n in found) and len(shown & set(range(len(classes.classes)))) > 1


class _Row(NamedTuple):
    """A line of a list. color: in the masks. drawn: the class's colour in overlays."""

    number: int | None
    color: Color | None
    name: str
    ignore: bool
    drawn: Color | None


def read_mask_classes(file: Path) -> MaskClasses:
    """Read a .csv of HEADER or "name,r,g,b", a classes.json, or a .txt with lines of "red green blue name" or of names.

    Classes get the indices 0, 1, 2, … in the order of the list, whatever their numbers are. Raises DatasetError.
    """
    if file.suffix.lower() == ".csv":
        return _classes_of(_csv_rows(file), str(file))
    if file.suffix.lower() == ".txt":
        names = [line for line in read_lines(file) if line and not line.startswith("#")]
        if not any(line[0].isdigit() for line in names):
            return _classes_of(
                [_Row(i, None, name, name.lower() in VOID, None) for i, name in enumerate(names)], str(file)
            )
    entries = read_entries(file)
    return classes_of_entries(entries, str(file))


def classes_of_entries(entries: Sequence[ClassEntry], origin: str) -> MaskClasses:
    """From a list that has the numbers of the masks as its indices; one that is numbered 0, 1, 2, … stays as it is."""
    trained = [e.index for e in entries if not e.ignore]
    if trained == list(range(len(trained))) and all(e.color for e in entries if not e.ignore):
        listed = ClassList(tuple(entries), origin)
        values = tuple(MaskValue(e.index, e.color, e.index) for e in entries)
        return MaskClasses(listed, values, {e.name: e.index for e in entries})
    return _classes_of([_Row(e.index, e.color, e.name, e.ignore, e.color) for e in entries], origin)


def _classes_of(rows: Sequence[_Row], origin: str) -> MaskClasses:
    """Number the names; rows of one name are one class."""
    numbers = [row.number for row in rows if row.number is not None]
    if twice := next((n for n in numbers if numbers.count(n) > 1), None):
        raise DatasetError(f"{origin}: two lines have the value {twice}: change one of them")
    ignored = dict.fromkeys(row.name for row in rows if row.ignore)
    trained = dict.fromkeys(row.name for row in rows if not row.ignore)
    if both := next((name for name in trained if name in ignored), None):
        raise DatasetError(f"{origin}: {both} is ignored in one line and not in another: change one of them")
    drawn: dict[str, Color | None] = {}
    for row in rows:
        drawn[row.name] = drawn.get(row.name) or row.drawn
    free = colors_beside([color for color in drawn.values() if color])
    entries = [ClassEntry(i, name, drawn[name] or next(free)) for i, name in enumerate(trained)]
    if ignored:
        color = next((drawn[name] for name in ignored), None)
        entries.append(ClassEntry(IGNORE, ", ".join(ignored), color, ignore=True))
    index = {name: i for i, name in enumerate(trained)} | dict.fromkeys(ignored, IGNORE)
    values = tuple(MaskValue(row.number, row.color, index[row.name]) for row in rows)
    return MaskClasses(ClassList(tuple(entries), origin), values, index)


def _csv_rows(file: Path) -> list[_Row]:
    lines = read_lines(file)
    head = lines[0] if lines else ""
    delimiter = max(",;\t", key=head.count)  # a spreadsheet's, by its language
    table = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    names = [cell.strip().lower() for cell in table[0]] if table else []
    at = {key: names.index(name) for key, called in _COLUMNS.items() for name in called if name in names}
    if "name" not in at or not ("value" in at or {"r", "g", "b"} <= at.keys()):
        raise DatasetError(f"{file}: its first line is {head[:60]!r}, and a header is expected: {_EXPECTED}")
    rows = []
    for number, cells in enumerate(table[1:], 2):
        cell = {key: cells[column].strip() for key, column in at.items() if column < len(cells)}
        if any(cells) and not cell.get("name"):
            raise DatasetError(f"{file}, line {number}: has no name: give the class that its value means")
        if any(cells):
            rows.append(_row(cell, f"{file}, line {number}"))
    return rows


def _row(cell: dict[str, str], where: str) -> _Row:
    word = cell.get("ignore", "").lower()
    if word not in ("", *_YES, *_NO):
        raise DatasetError(f"{where}: ignore is yes or no, got {word[:20]!r}")
    ignore = word in _YES or (not word and cell["name"].lower() in VOID)
    drawn = _color(cell["color"], where) if cell.get("color") else None
    text = cell["value"] if "value" in cell else " ".join(cell.get(key, "") for key in "rgb")
    if re.fullmatch("[0-9]+", text):
        if int(text[:9]) > IGNORE:
            raise DatasetError(f"{where}: a value is 0 to {IGNORE}, got {text[:20]}")
        return _Row(int(text), None, cell["name"], ignore, drawn)
    color = _color(text, where, "a value is a number from 0 to 255, or a colour, which")
    return _Row(None, color, cell["name"], ignore, drawn or color)


def _color(text: str, where: str, kind: str = "a colour") -> Color:
    """#rrggbb, or three numbers with commas or blanks between them. kind: what it is, for messages."""
    if found := re.fullmatch("#([0-9a-fA-F]{6})", text):
        red, green, blue = bytes.fromhex(found.group(1))
        return red, green, blue
    parts = re.findall("[0-9]+", text)
    if len(parts) != 3 or re.search(r"[^0-9\s,;()\[\]]", text) or any(len(p) > 3 or int(p) > 255 for p in parts):
        raise DatasetError(f"{where}: {kind} is #rrggbb or red, green and blue from 0 to 255, got {text[:40]!r}")
    return int(parts[0]), int(parts[1]), int(parts[2])
