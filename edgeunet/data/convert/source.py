"""What every layout is read as: labelled files, the classes they are to have, and what their mask values mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeunet.data.classes import ClassList
from edgeunet.data.convert.table import MaskTable
from edgeunet.data.pairs import Pair, Problem, pair_up
from edgeunet.images import images_in

Splits = dict[str, dict[str, Pair]]  # by split and name; the split is "" where the source has none


@dataclass(frozen=True)
class Source:
    """A folder in another layout. Nothing in it is ever written."""

    classes: ClassList
    splits: Splits
    table: MaskTable
    problems: tuple[Problem, ...]


def pair_folders(
    root: Path, folders: Mapping[str, tuple[Path, Path]], mask_end: str = ""
) -> tuple[Splits, tuple[Problem, ...]]:
    """Pair the files of an image and a mask folder for each split, and tell which have no partner.

    mask_end: what a mask's name has after the image's, such as "_L".
    """
    splits: Splits = {}
    problems: list[Problem] = []
    for split, (images, masks) in folders.items():
        by_image = masks_by_image(images_in(masks), mask_end)
        splits[split], found = pair_up(images_in(images), by_image, root)
        problems += found
    return splits, tuple(problems)


def masks_by_image(masks: Sequence[Path], end: str, image_end: str = "") -> dict[str, Path]:
    """Masks by the name of the image that they belong to; the ends are what each has after the frame's own name."""
    return {m.stem.removesuffix(end) + image_end: m for m in masks}
