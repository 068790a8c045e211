"""The classes of an export that names them: background first, ignored names as 255, colours for those without."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgeunet.data.classes import VOID, ClassEntry, ClassList, Color
from edgeunet.data.convert.distinct_colors import colors_beside
from edgeunet.data.convert.labels.mask_classes import read_mask_classes
from edgeunet.errors import DatasetError
from edgeunet.spec import IGNORE

BACKGROUND = ("background", "_background_")


@dataclass(frozen=True)
class ClassNames:
    """A list of classes, and what each label becomes in masks.

    values: mask value of each label. background: the mask value of what no shape covers.
    """

    classes: ClassList
    values: Mapping[str, int]
    background: int

    def value(self, label: str) -> int | str:
        """The mask value of a label, or the label itself if the list does not have it."""
        return self.values.get(label.strip(), label)


def class_names(labels: Iterable[tuple[str, Color | None]], origin: str, chosen: Path | None = None) -> ClassNames:
    """The classes that an export names, in its order, each with its colour if it has one; twice counts once.

    origin: the file that names them. chosen: a list of classes that the user gives instead. `background`, index 0, is
    added if the list lacks it. Raises DatasetError for a list without a class.
    """
    colors: dict[str, Color | None] = {}
    if chosen is None:
        for name, color in labels:
            colors[name.strip()] = colors.get(name.strip()) or color
        ignored = {name for name in colors if name.lower() in VOID}
        if not colors.keys() - ignored:
            raise DatasetError(f"{origin} has no labels: label some frames before you export")
    else:
        given = read_mask_classes(chosen)
        listed = given.classes
        own = next((e for e in listed.entries if not e.ignore and e.name.lower() in BACKGROUND), None)
        if own is not None:
            return ClassNames(listed, given.names, own.index)
        colors |= {e.name: e.color for e in listed.entries if not e.ignore}
        ignored = {name for name, value in given.names.items() if value in listed.ignored}
        origin = listed.origin
    trained = sorted((name for name in colors if name not in ignored), key=lambda name: name.lower() not in BACKGROUND)
    if trained[0].lower() not in BACKGROUND:
        trained.insert(0, "background")
    if len(trained) >= IGNORE:
        raise DatasetError(
            f"{origin} has {len(trained)} classes, and a network at most {IGNORE - 1}: list those that you need in a "
            "file for --classes, and leave out the others with --ignore-unknown"
        )
    free = colors_beside({color for color in colors.values() if color is not None})
    entries = [ClassEntry(i, name, colors.get(name) or next(free)) for i, name in enumerate(trained)]
    values = {name: i for i, name in enumerate(trained)} | dict.fromkeys(ignored, IGNORE)
    if ignored:
        entries.append(ClassEntry(IGNORE, ", ".join(sorted(ignored)), None, ignore=True))
    return ClassNames(ClassList(tuple(entries), origin), values, 0)
