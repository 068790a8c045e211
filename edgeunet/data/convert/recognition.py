"""Every layout that `edgeunet data convert` reads, and which of them a folder has."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from edgeunet.data.convert.formats.camvid import CAMVID, SEGNET
from edgeunet.data.convert.formats.cityscapes import CITYSCAPES
from edgeunet.data.convert.formats.coco import COCO
from edgeunet.data.convert.formats.cvat import CVAT_CAMVID, CVAT_IMAGES
from edgeunet.data.convert.formats.folder_pairs import COLORS, INDICES
from edgeunet.data.convert.formats.huggingface import HUGGINGFACE
from edgeunet.data.convert.formats.label_studio import LABEL_STUDIO
from edgeunet.data.convert.formats.labelme import LABELME
from edgeunet.data.convert.formats.roboflow_masks import ROBOFLOW_MASKS
from edgeunet.data.convert.formats.supervisely import SUPERVISELY
from edgeunet.data.convert.formats.voc import VOC
from edgeunet.data.convert.formats.yolo import YOLO
from edgeunet.data.convert.layout import Layout
from edgeunet.errors import DatasetError, UsageError
from edgeunet.imaging.images import is_hidden

_BY_RANK: tuple[tuple[Layout, ...], ...] = (  # those of a line are looked for only if none above it fits
    (CITYSCAPES, CAMVID),
    (CVAT_IMAGES, CVAT_CAMVID, LABELME, COCO, YOLO, SUPERVISELY, LABEL_STUDIO, VOC, ROBOFLOW_MASKS),
    (SEGNET,),
    (HUGGINGFACE,),
    (COLORS, INDICES),
)
_LOOKED_INTO = 20  # folders, where the given one has no layout
LAYOUTS = {layout.name: layout for line in _BY_RANK for layout in line}


class Recognised(NamedTuple):
    """A folder's layout, and by what it is recognised, for people."""

    layout: Layout
    by: str


def chosen(path: Path, name: str | None, *, any_pair: bool = False) -> Recognised:
    """The layout of that name, or, if none is given, the one that the folder has.

    any_pair: the user names two folders of images and masks.

    Raises UsageError for an unknown name, DatasetError that lists the layouts if the folder has none or several.
    """
    if name is not None:
        if name not in LAYOUTS:
            raise UsageError(f"unknown layout {name!r}: choose one of {', '.join(LAYOUTS)}")
        return Recognised(LAYOUTS[name], LAYOUTS[name].recognise(path) or f"{name}, by --layout")
    if any_pair:
        return Recognised(COLORS, "images and masks, by --images and --masks")
    found = _recognised(path)
    if len(found) == 1:
        return found[0]
    if found:
        choices = " or ".join(f"--layout {f.layout.name} ({f.by})" for f in found)
        raise DatasetError(f"{path} may be of {len(found)} layouts: give {choices}")
    for folder in sorted(p for p in path.iterdir() if p.is_dir() and not is_hidden(p))[:_LOOKED_INTO]:
        if inside := _recognised(folder):
            raise DatasetError(f"{path} has no known layout, but {folder} in it has ({inside[0].by}): give that folder")
    if (packed := next(iter(sorted(path.glob("*.zip"))), None)) is not None:
        raise DatasetError(f"{path} has no known layout, but {packed.name} in it may have: unpack it")
    known = "".join(f"\n  {layout.name}: {layout.looks}" for layout in LAYOUTS.values())
    raise DatasetError(f"{path} has no known layout: give the folder that has these, or --layout NAME{known}")


def _recognised(path: Path) -> list[Recognised]:
    """The layouts of the first line on which one fits."""
    for line in _BY_RANK:
        if found := [Recognised(layout, by) for layout in line if (by := layout.recognise(path))]:
            return found
    return []
