"""Images and masks of the same names in two folders, images/ and masks/, with or without a folder for each split.

The masks are in colours, or in class indices that only have to be checked and divided into splits.
"""

from __future__ import annotations

from dataclasses import replace

from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.labels.labelled_frame import ConversionSource
from edgeunet.data.convert.layout import Layout, by_folders
from edgeunet.data.convert.mask_folders import source_of_folders
from edgeunet.errors import DatasetError
from edgeunet.imaging.images import is_hidden

_TAKES = ("--classes", "--mask-suffix", "--nearest")


def _read(request: Request) -> ConversionSource:
    path, layout = request.path, request.options.layout
    images, masks = path / "images", path / "masks"
    if not (images.is_dir() and masks.is_dir()):
        raise DatasetError(f"{path} has no folders images/ and masks/: give the folder that has them")
    names = sorted({p.name for folder in (images, masks) for p in folder.iterdir() if p.is_dir() and not is_hidden(p)})
    folders = {name: (images / name, masks / name) for name in names} or {"": (images, masks)}
    source = source_of_folders(request, folders, in_colors=None if layout is None else layout == "colors")
    return replace(source, layout="colors" if source.in_colors else "indices")


COLORS = Layout(
    "colors",
    "images/ and masks/ in colours, with or without a folder for each split, and a list of classes",
    by_folders("images and masks", "images", "masks"),
    _read,
    takes=_TAKES,
)
INDICES = Layout("indices", "the same with masks of class indices", lambda path: None, _read, takes=_TAKES)
