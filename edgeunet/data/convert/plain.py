"""Images and masks of the same names in two folders, images/ and masks/, with or without a folder for each split.

The masks are in colours, or in class indices that only have to be checked and divided into splits.
"""

from __future__ import annotations

from pathlib import Path

from edgeunet.data.classes import CLASSES_FILE, COLORS_FILE, read_classes
from edgeunet.data.convert.source import Source, pair_folders
from edgeunet.data.convert.table import MaskTable
from edgeunet.errors import DatasetError


def read_colors(path: Path, classes: Path | None) -> Source:
    """Masks in the colours of a list of classes: the one given, or classes.json or label_colors.txt of the folder."""
    return _read(path, classes, in_colors=True)


def read_indices(path: Path, classes: Path | None) -> Source:
    """Masks that hold class indices already."""
    return _read(path, classes, in_colors=False)


def classes_file(path: Path) -> Path:
    """The folder's own list of classes. Raises DatasetError if it has none."""
    for name in (CLASSES_FILE, COLORS_FILE):
        if (path / name).is_file():
            return path / name
    raise DatasetError(
        f"{path} has no list of classes: write {CLASSES_FILE} (index, name, color and ignore of each class) or "
        f'{COLORS_FILE} (lines of "red green blue name") there, or give one of them with --classes'
    )


def _read(path: Path, classes: Path | None, *, in_colors: bool) -> Source:
    listed = read_classes(classes or classes_file(path))
    table = MaskTable.of_colors(listed.colors()) if in_colors else MaskTable.of_values(listed.own_values())
    images, masks = path / "images", path / "masks"
    names = sorted({p.name for folder in (images, masks) for p in folder.iterdir() if p.is_dir()})
    folders = {name: (images / name, masks / name) for name in names} or {"": (images, masks)}
    splits, problems = pair_folders(path, folders)
    return Source(listed, splits, table, problems)
