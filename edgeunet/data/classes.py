"""The list of classes: classes.json of a dataset folder, and lists of colours that other tools write."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from edgeunet.data.text_lines import read_lines
from edgeunet.errors import DatasetError, UsageError
from edgeunet.spec import IGNORE, ClassInfo
from edgeunet.utils.json_fields import read_json

CLASSES_FILE = "classes.json"
COLORS_FILE = "label_colors.txt"
VOID = ("void", "unlabelled", "unlabeled", "ignore", "ignored", "__ignore__")
Color = tuple[int, int, int]  # (red, green, blue)
_Byte = Annotated[int, Meta(ge=0, le=255)]
EXAMPLE = (
    '{"classes": [{"index": 0, "name": "background", "color": [0, 0, 0]}, '
    '{"index": 1, "name": "road", "color": [128, 64, 128]}]}; '
    'ignored pixels have {"index": 255, "name": "void", "ignore": true}'
)


@dataclass(frozen=True)
class _ClassLine:
    """A class as classes.json has it."""

    index: _Byte
    name: str | None = None
    color: tuple[_Byte, _Byte, _Byte] | None = None
    ignore: bool = False


@dataclass(frozen=True)
class _ClassesFile:
    classes: list[_ClassLine]


@dataclass(frozen=True)
class ClassEntry:
    """One value of the masks; an ignored one needs no colour."""

    index: int
    name: str
    color: Color | None
    ignore: bool = False


@dataclass(frozen=True)
class ClassList:
    """Every value that masks may have. Trained classes have the indices 0, 1, 2, …; ignored ones come after."""

    entries: tuple[ClassEntry, ...]
    origin: str  # for messages

    def __post_init__(self) -> None:
        trained = [e for e in self.entries if not e.ignore]
        if len(trained) == 1:
            raise DatasetError(
                f"{self.origin}: {trained[0].name} is the only class, and 2 to {IGNORE - 1} are needed: add the "
                'background, {"index": 0, "name": "background", "color": [0, 0, 0]}, and give '
                f"{trained[0].name} the index 1"
            )
        if [e.index for e in trained] != list(range(len(trained))) or any(e.color is None for e in trained):
            raise DatasetError(
                f"{self.origin}: trained classes must be numbered 0, 1, 2, … in order, with a color of three numbers "
                "each: `edgeunet data convert` numbers them so, in the masks too"
            )
        if not 2 <= len(trained) < IGNORE:
            raise DatasetError(f"{self.origin}: 2 to {IGNORE - 1} classes are needed, got {len(trained)}")
        for kind, count in (
            ("index", Counter(str(e.index) for e in self.entries)),
            ("name", Counter(e.name for e in trained)),
        ):
            if twice := [value for value, times in count.items() if times > 1]:
                raise DatasetError(f"{self.origin}: two classes have the {kind} {twice[0]}: change one of them")
        for e in self.entries:
            if not 0 <= e.index <= IGNORE or (e.color and not all(0 <= c <= 255 for c in e.color)):
                raise DatasetError(f"{self.origin}: index and color of {e.name!r} must be 0 to 255")
        try:
            _ = self.classes
        except UsageError as error:  # a name that no model can have
            raise DatasetError(f"{self.origin}: {error}") from error

    @property
    def classes(self) -> tuple[ClassInfo, ...]:
        """The trained classes, by index."""
        return tuple(ClassInfo(e.name, e.color) for e in self.entries if not e.ignore and e.color)

    @property
    def ignored(self) -> tuple[int, ...]:
        """Mask values that do not count."""
        return tuple(e.index for e in self.entries if e.ignore)

    def to_json(self, dataset: str) -> str:
        """The text of a classes.json; `dataset` may be a name that is not UTF-8."""
        dataset = dataset.encode("utf-8", "replace").decode()
        lines = [
            json.dumps({"index": e.index, "name": e.name, "color": e.color, "ignore": e.ignore}, ensure_ascii=False)
            for e in self.entries
        ]
        listed = ",\n    ".join(lines)
        return f'{{\n  "dataset": {json.dumps(dataset)},\n  "classes": [\n    {listed}\n  ]\n}}\n'


def read_classes(file: Path) -> ClassList:
    """Read a classes.json, or, if its name ends in .txt, lines of "red green blue name". Raises DatasetError."""
    entries = read_entries(file)
    for number, entry in enumerate(entries):
        if entry.color is None and not entry.ignore:
            raise DatasetError(
                f"{file} is not a list of classes (class {number} has no color): it looks like {EXAMPLE}"
            )
    return ClassList(entries, str(file))


def read_entries(file: Path) -> tuple[ClassEntry, ...]:
    """What read_classes() reads, with any indices, and without colours if they are not given."""
    if file.suffix == ".txt":
        return _from_lines(read_lines(file), file).entries
    remedy = f"it looks like {EXAMPLE}"
    listed = read_json(file, _ClassesFile, error=DatasetError, what="a list of classes", remedy=remedy).classes
    for number, line in enumerate(listed):
        if line.name is None and not line.ignore:
            raise DatasetError(f"{file} is not a list of classes (class {number} has no name): {remedy}")
    return tuple(ClassEntry(c.index, "ignored" if c.name is None else c.name, c.color, c.ignore) for c in listed)


def numbered(named: Sequence[tuple[str, Color]], origin: str) -> ClassList:
    """Trained classes in their order, then the ignored ones: those with names such as "Void"."""
    trained = [n for n in named if n[0].lower() not in VOID]
    ignored = [n for n in named if n[0].lower() in VOID]
    entries = [ClassEntry(i, name, color, i >= len(trained)) for i, (name, color) in enumerate([*trained, *ignored])]
    return ClassList(tuple(entries), origin)


def spellings(names: Iterable[str]) -> list[list[str]]:
    """Names that differ only by case, blanks and signs, such as traffic_light and Traffic light; each group once."""
    alike: dict[str, dict[str, None]] = defaultdict(dict)
    for name in names:
        alike[spelling(name)][name] = None
    return [list(group) for group in alike.values() if len(group) > 1]


def spelling(name: str) -> str:
    """What two names that differ only by case, blanks and signs have in common."""
    return re.sub(r"[\W_]+", "", name).lower()


def _from_lines(lines: Sequence[str], file: Path) -> ClassList:
    named = []
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        words = line.split()
        if len(words) < 4 or not all(re.fullmatch("[0-9]{1,3}", w) and int(w) <= 255 for w in words[:3]):
            raise DatasetError(f'{file}, line {number}: expected "red green blue name", got {line[:60]!r}')
        named.append((" ".join(words[3:]), (int(words[0]), int(words[1]), int(words[2]))))
    return numbered(named, str(file))
