"""Roboflow's "Semantic Segmentation Masks": in each split NAME.jpg, NAME_mask.png and _classes.csv."""

from __future__ import annotations

from pathlib import Path

from edgeunet.data.convert.conversion_options import Request
from edgeunet.data.convert.labels.image_search import split_in
from edgeunet.data.convert.labels.labelled_frame import ConversionSource
from edgeunet.data.convert.labels.mask_classes import read_mask_classes
from edgeunet.data.convert.layout import Layout
from edgeunet.data.convert.masks.mask_folders import source_of_pairs
from edgeunet.data.pairs import Pairing, name_in, pair_up
from edgeunet.data.text_lines import plain_head
from edgeunet.errors import DatasetError
from edgeunet.imaging.images import images_in

_CLASSES, _MASK = "_classes.csv", "_mask"


def _lists(path: Path) -> list[Path]:
    """The lists of classes, one in each split; Roboflow's classifications have files of the same name."""
    found = [file for file in (path / _CLASSES, *sorted(path.glob(f"*/{_CLASSES}"))) if file.is_file()]
    return found if any(map(_is_of_masks, found)) else []  # a damaged one too, for its error


def _is_of_masks(file: Path) -> bool:
    first = next(iter(plain_head(file, 64).splitlines()), b"")
    return first.lower().replace(b" ", b"") == b"pixelvalue,class"


def _recognise(path: Path) -> str | None:
    lists = _lists(path)
    return f"Roboflow's masks, by {name_in(lists[0], path)}" if lists else None


def _read(request: Request) -> ConversionSource:
    path, lists = request.path, _lists(request.path)
    if not lists:
        raise DatasetError(f'{path} has no {_CLASSES} with "Pixel Value, Class": give the folder that has it')
    listed = read_mask_classes(lists[0])
    found: dict[str, Pairing] = {}
    for file in lists:
        if read_mask_classes(file).numbers != listed.numbers or read_mask_classes(file).names != listed.names:
            raise DatasetError(
                f"{file} has other classes than {lists[0]}: convert each split by itself, then `edgeunet data merge`"
            )
        files = images_in(file.parent)
        masks = [(mask.stem.removesuffix(_MASK), mask) for mask in files if mask.stem.endswith(_MASK)]
        images = [image for image in files if not image.stem.endswith(_MASK)]
        found[split_in(file.parent.name) if file.parent != path else ""] = pair_up(images, masks, path)
    return source_of_pairs(request, found, listed=listed, in_colors=None if request.options.classes else False)


ROBOFLOW_MASKS = Layout(
    "roboflow_masks",
    f"Roboflow's semantic segmentation masks: NAME.jpg, NAME{_MASK}.png and {_CLASSES} in each split",
    _recognise,
    _read,
    takes=("--classes",),
)
