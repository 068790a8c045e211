"""The common form of every layout: labelled files, their classes, and what their mask values mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeunet.data.classes import ClassList
from edgeunet.data.convert.mask_table import MaskTable
from edgeunet.data.pairs import ImageMaskPair, Pairing, Problem, name_in, pair_up
from edgeunet.imaging.images import IMAGE_ENDINGS, SOME_ENDINGS, images_in, is_hidden

Splits = dict[str, dict[str, ImageMaskPair]]  # by split and name; the split is "" where the source has none


@dataclass(frozen=True)
class ConversionSource:
    """A folder in another layout. Nothing in it is ever written."""

    classes: ClassList
    found: Mapping[str, Pairing]  # of each split; the split is "" where the source has none
    table: MaskTable
    problems: tuple[Problem, ...] = ()

    @property
    def splits(self) -> Splits:
        return {split: dict(pairing.pairs) for split, pairing in self.found.items()}


def pair_folders(
    root: Path, folders: Mapping[str, tuple[Path, Path]], mask_suffix: str | None = None
) -> tuple[dict[str, Pairing], tuple[Problem, ...]]:
    """Pair the files of an image and a mask folder for each split; also returns the problems of the masks.

    mask_suffix: what a mask's name has after the image's, such as "_L"; where all masks of the source have the same,
    it need not be given.
    """
    files = {split: (images_in(images), images_in(masks)) for split, (images, masks) in folders.items()}
    suffix = _common_suffix(list(files.values())) if mask_suffix is None else mask_suffix
    found = {split: pair_up(images, masks_by_image(masks, suffix), root) for split, (images, masks) in files.items()}
    problems = []
    for split, (_, masks) in folders.items():
        if found[split].unlabelled and (others := _others(masks)):
            what = f"no image that can be read, and {len(others)} file(s) like it: masks are {SOME_ENDINGS}"
            problems.append(Problem(name_in(others[0], root), what))
    return found, tuple(problems)


def masks_by_image(masks: Sequence[Path], suffix: str, image_suffix: str = "") -> list[tuple[str, Path]]:
    """Masks, each with the name of its image. suffix, image_suffix: what their names have after the frame's name."""
    return [(m.stem.removesuffix(suffix) + image_suffix, m) for m in masks]


def holds_indices(values: Iterable[set[int]], listed: ClassList) -> bool:
    """Whether masks of these numbers hold class indices: every one of them in the list, and more than one class."""
    found = list(values)
    own, trained = listed.own_values().keys(), range(len(listed.classes))
    return all(v and v <= own for v in found) and len(set().union(*found) & set(trained)) > 1


def _common_suffix(files: Sequence[tuple[Sequence[Path], Sequence[Path]]]) -> str:
    """What every mask's name has after that of an image, "" if they differ."""
    suffixes = set()
    for images, masks in files:
        names = {p.stem for p in images}
        for mask in masks:
            own = next((mask.stem[:n] for n in range(len(mask.stem), 0, -1) if mask.stem[:n] in names), None)
            if own is not None:
                suffixes.add(mask.stem[len(own) :])
            if len(suffixes) > 1:
                return ""
    return suffixes.pop() if suffixes else ""


def _others(folder: Path) -> list[Path]:
    """Files of a folder of masks that are not images by their endings."""
    if not folder.is_dir():
        return []
    return sorted(
        p for p in folder.iterdir() if p.is_file() and not is_hidden(p) and p.suffix.lower() not in IMAGE_ENDINGS
    )
