"""Images and masks of the same names in two folders, images/ and masks/, with or without a folder for each split.

The masks are in colours, or in class indices that only have to be checked and divided into splits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgeunet.data.classes import CLASSES_FILE, COLORS_FILE, ClassList, read_classes
from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.labels.labelled_frame import ConversionSource
from edgeunet.data.convert.labels.mask_file import holds_indices, pair_folders, source_of_masks
from edgeunet.data.convert.labels.mask_table import MaskTable
from edgeunet.data.convert.layout import Layout, by_folders
from edgeunet.data.convert.proposal import proposed
from edgeunet.data.pairs import Pairing
from edgeunet.errors import DatasetError, ImageError
from edgeunet.imaging.images import is_hidden
from edgeunet.imaging.mask_image import Mask, code_of, read_mask

_LOOKED_AT = 16  # masks that are read to detect what all are


def _read(request: Request) -> ConversionSource:
    """Masks have the colours of the list of classes, or class indices; detected if no layout is given.

    Without a list of classes one is written next to the folder to be made, and DatasetError says so.
    """
    path, options = request.path, request.options
    images, masks = path / "images", path / "masks"
    if not (images.is_dir() and masks.is_dir()):
        raise DatasetError(f"{path} has no folders images/ and masks/: give the folder that has them")
    names = sorted({p.name for folder in (images, masks) for p in folder.iterdir() if p.is_dir() and not is_hidden(p)})
    folders = {name: (images / name, masks / name) for name in names} or {"": (images, masks)}
    found, problems = pair_folders(path, folders, options.mask_suffix)
    file = options.classes or next(
        (path / name for name in (CLASSES_FILE, COLORS_FILE) if (path / name).is_file()), None
    )
    if file is None:
        raise DatasetError(f"{path} has no list of classes: {proposed(path, _masks(found), request.target)}")
    listed = read_classes(file)
    if options.layout is None:
        in_colors = not _are_indices(_masks(found, _LOOKED_AT), listed)
    else:
        in_colors = options.layout == "colors"
    table = MaskTable.of_colors(listed.colors()) if in_colors else MaskTable.of_values(listed.own_values())
    return source_of_masks(path, listed, found, table, problems, "colors" if in_colors else "indices")


def _masks(found: Mapping[str, Pairing], most: int | None = None) -> Iterator[Mask]:
    """The masks that can be read; if `most` is given, about that many, evenly spaced."""
    files = [pair.mask for pairing in found.values() for pair in pairing.pairs.values()]
    for file in files[:: max(1, len(files) // most)] if most else files:
        try:
            mask = read_mask(file)
            mask.colors  # noqa: B018 - raises what is wrong with them
        except ImageError:
            continue  # reported when it is converted
        yield mask


def _are_indices(masks: Iterator[Mask], listed: ClassList) -> bool:
    """Whether masks hold class indices: several values of the list, shown in colours that the list does not have."""
    known = {code_of(e.color) for e in listed.entries if e.color is not None}
    values = []
    strange = False
    for mask in masks:
        values.append(mask.values)
        strange = strange or not known.issuperset(mask.colors_by_number().values())
    return strange and holds_indices(values, listed)


COLORS = Layout(
    "colors",
    "images/ and masks/ in colours, with or without a folder for each split, and classes.json or label_colors.txt",
    by_folders("images and masks", "images", "masks"),
    _read,
    takes=("--classes", "--mask-suffix"),
)
INDICES = Layout(
    "indices", "the same with masks of class indices", lambda path: None, _read, takes=("--classes", "--mask-suffix")
)
