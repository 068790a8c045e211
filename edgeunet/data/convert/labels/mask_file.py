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
from edgeunet.data.pairs import Pairing, Problem
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
        header, numbers = mask.header, frozenset(mask.values)
        return FrameLabels(
            indices,
            unknown,
            kind,
            bits=header.bits,
            numbers=numbers,
            lossy=header.format == "JPEG",
            orientation=header.orientation,
            moved=moved,
        )


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


def masks_by_image(masks: Sequence[Path], suffix: str, image_suffix: str = "") -> list[tuple[str, Path]]:
    """Masks, each with the name of its image. suffix, image_suffix: what their names have after the frame's name."""
    return [(m.stem.removesuffix(suffix) + image_suffix, m) for m in masks]
