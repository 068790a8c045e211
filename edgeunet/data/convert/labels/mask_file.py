"""Labels that are a mask file, and finding the mask of each image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

from edgeunet.data.classes import ClassList
from edgeunet.data.convert.labels.labelled_frame import (
    UNKNOWN,
    ConversionSource,
    FrameLabels,
    ImageFile,
    LabelledFrame,
    LabelSizeError,
)
from edgeunet.data.convert.labels.mask_table import MaskTable
from edgeunet.data.pairs import Pairing, Problem, name_in, pair_up
from edgeunet.imaging.images import IMAGE_ENDINGS, SOME_ENDINGS, images_in, is_hidden
from edgeunet.imaging.mask_image import read_mask


@dataclass(frozen=True)
class MaskFile:
    """A mask in a file, and the table of what its values or colours mean."""

    path: Path
    table: MaskTable

    def read(self, size: tuple[int, int], *, turn: bool) -> FrameLabels:
        mask = read_mask(self.path, turn=turn)
        codes = self.table.codes(mask)
        if codes.shape != size:
            raise LabelSizeError((codes.shape[0], codes.shape[1]), size)
        indices, moved = self.table.look_up(codes)
        found, counts = np.unique(codes[indices == UNKNOWN], return_counts=True)
        unknown = Counter({self.table.name(code): n for code, n in zip(found.tolist(), counts.tolist(), strict=True)})
        kind: Literal["colour", "value"] = "colour" if self.table.in_colors else "value"
        return FrameLabels(indices, unknown, kind, bits=mask.header.bits, numbers=frozenset(mask.values), moved=moved)


def source_of_masks(
    path: Path,
    classes: ClassList,
    found: Mapping[str, Pairing],
    table: MaskTable,
    problems: tuple[Problem, ...] = (),
    numbers: Mapping[int, int] = MappingProxyType({}),
) -> ConversionSource:
    """The source whose frames are the pairs of each split; the split is "" where there is none.

    path: its folder. numbers: what the numbers of masks would become if they were not read as colours.
    """
    return ConversionSource(
        classes,
        {
            split: {
                name: LabelledFrame(ImageFile(pair.image), MaskFile(pair.mask, table))
                for name, pair in pairing.pairs.items()
            }
            for split, pairing in found.items()
        },
        {split: pairing.unlabelled for split, pairing in found.items()},
        (*problems, *(p for pairing in found.values() for p in pairing.orphans)),
        tuple(p for pairing in found.values() for p in pairing.twice),
        numbers=numbers,
        in_colors=table.in_colors,
    )


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
