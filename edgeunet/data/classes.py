"""The list of classes: classes.json of a dataset folder, and lists of colours that other tools write."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeunet.errors import DatasetError
from edgeunet.spec import IGNORE, ClassInfo

CLASSES_FILE = "classes.json"
COLORS_FILE = "label_colors.txt"
_VOID = ("void", "unlabelled", "unlabeled", "ignore", "ignored")  # what a text file calls pixels that do not count
Color = tuple[int, int, int]  # (red, green, blue)


@dataclass(frozen=True)
class Entry:
    """One value of the masks; what is ignored needs no colour."""

    index: int
    name: str
    color: Color | None
    ignore: bool = False


@dataclass(frozen=True)
class ClassList:
    """Every value that masks may have. Trained classes have the indices 0, 1, 2, …; ignored ones come after."""

    entries: tuple[Entry, ...]
    origin: str  # for messages

    def __post_init__(self) -> None:
        trained = [e for e in self.entries if not e.ignore]
        if [e.index for e in trained] != list(range(len(trained))) or any(e.color is None for e in trained):
            raise DatasetError(
                f"{self.origin}: trained classes must be numbered 0, 1, 2, … in order, "
                "with a color of three numbers each"
            )
        if not 2 <= len(trained) < IGNORE:
            raise DatasetError(f"{self.origin}: 2 to {IGNORE - 1} classes are needed, got {len(trained)}")
        for kind, count in (
            ("index", Counter(str(e.index) for e in self.entries)),
            ("name", Counter(e.name for e in trained)),
        ):
            if twice := [value for value, times in count.items() if times > 1]:
                raise DatasetError(f"{self.origin}: two classes have the {kind} {twice[0]}: give each one of its own")
        for e in self.entries:
            if not 0 <= e.index <= IGNORE or (e.color and not all(0 <= c <= 255 for c in e.color)):
                raise DatasetError(f"{self.origin}: index and color of {e.name!r} must be 0 to 255")

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The trained ones, by index."""
        return tuple(ClassInfo(e.name, e.color) for e in self.entries if not e.ignore and e.color)

    @property
    def ignored(self) -> tuple[int, ...]:
        """Mask values that do not count."""
        return tuple(e.index for e in self.entries if e.ignore)

    def own_values(self) -> dict[int, int]:
        """Every value that masks of class indices may hold, each as itself."""
        return {value: value for value in (*(e.index for e in self.entries), IGNORE)}

    def colors(self) -> dict[Color, int]:
        """The mask value of each colour. Raises DatasetError if one colour stands for two values."""
        found: dict[Color, Entry] = {}
        for e in self.entries:
            if e.color is not None and found.setdefault(e.color, e) is not e:
                raise DatasetError(
                    f"{self.origin}: {found[e.color].name} and {e.name} have the same color {e.color}: "
                    "masks in colours cannot tell them apart"
                )
        return {color: e.index for color, e in found.items()}

    def to_json(self, dataset: str) -> str:
        """The text of a classes.json."""
        lines = [
            json.dumps({"index": e.index, "name": e.name, "color": e.color, "ignore": e.ignore}, ensure_ascii=False)
            for e in self.entries
        ]
        listed = ",\n    ".join(lines)
        return f'{{\n  "dataset": {json.dumps(dataset)},\n  "classes": [\n    {listed}\n  ]\n}}\n'


def read_classes(file: Path) -> ClassList:
    """Read a classes.json, or, if its name ends in .txt, lines of "red green blue name". Raises DatasetError."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{file} cannot be read as a list of classes ({error})") from error
    return _from_lines(text, file) if file.suffix == ".txt" else _from_json(text, file)


def numbered(named: Sequence[tuple[str, Color]], origin: str) -> ClassList:
    """Trained classes in their order, and after them those whose name says that they do not count, such as "Void"."""
    trained = [n for n in named if n[0].lower() not in _VOID]
    ignored = [n for n in named if n[0].lower() in _VOID]
    entries = [Entry(i, name, color, i >= len(trained)) for i, (name, color) in enumerate([*trained, *ignored])]
    return ClassList(tuple(entries), origin)


def _from_json(text: str, file: Path) -> ClassList:
    try:
        listed: list[dict[str, Any]] = json.loads(text)["classes"]
        return ClassList(tuple(map(_entry, listed)), str(file))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{file} is not a list of classes with index, name and color ({type(error).__name__}: {error})"
        ) from error


def _entry(value: dict[str, Any]) -> Entry:
    ignore = bool(value.get("ignore", False))
    name = str(value.get("name", "ignored") if ignore else value["name"])
    color = value.get("color") if ignore else value["color"]
    if color is not None:
        red, green, blue = map(int, color)
        color = (red, green, blue)
    return Entry(int(value["index"]), name, color, ignore)


def _from_lines(text: str, file: Path) -> ClassList:
    named = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        words = line.split()
        if len(words) < 4 or not all(w.isdigit() for w in words[:3]):
            raise DatasetError(f'{file}, line {number}: expected "red green blue name", got {line.strip()[:60]!r}')
        named.append((" ".join(words[3:]), (int(words[0]), int(words[1]), int(words[2]))))
    return numbered(named, str(file))
