"""Divides the frames of a source, by lists or by drive."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from edgeunet.data.convert.labels.labelled_frame import LabelledFrame, Splits
from edgeunet.data.dividing.division import divide
from edgeunet.data.facts.likeness import Likeness, likeness_of, plain
from edgeunet.data.text_lines import read_lines
from edgeunet.errors import DatasetError, ImageError
from edgeunet.imaging.image_header import read_header
from edgeunet.imaging.images import decode_image, unchanged
from edgeunet.utils import console

T = TypeVar("T")


class Divided(NamedTuple):
    """said: a line about what was divided how."""

    splits: Splits
    said: str


def by_drive(frames: Mapping[str, LabelledFrame], val_share: float) -> Divided:
    """Divide frames into train and val, see divide(): by their names and pictures, which are read for it."""
    with console.progress() as bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        hashes = list(
            bar.track(pool.map(_likeness, frames.values()), total=len(frames), description="looking for drives")
        )
    division = divide(list(frames), val_share, hashes=hashes)
    splits = {
        "train": {name: frame for name, frame in frames.items() if name not in division.val},
        "val": {name: frame for name, frame in frames.items() if name in division.val},
    }
    return Divided(splits, division.said)


def _likeness(frame: LabelledFrame) -> Likeness:
    try:
        data = frame.image.read()
        header = read_header(data)
        if header.bits <= 8:
            return likeness_of(decode_image(data, eighth=True))
        deep = unchanged(data, header)  # thermal frames differ in their lower bits only
        return likeness_of(deep if deep.ndim == 3 else deep[..., None])
    except ImageError:
        return plain()  # reported when it is converted


def by_lists(
    pairs: Mapping[str, T], lists: Mapping[str, Path], unlabelled: Collection[str] = ()
) -> dict[str, dict[str, T]]:
    """The frames that files name for each split, a line each: the name or path of an image, maybe the mask's after it.

    unlabelled: names of images without a mask. Raises DatasetError for a name that the source does not have or that
    has no mask, or that two lists have.
    """
    splits: dict[str, dict[str, T]] = {}
    seen: dict[str, str] = {}
    for split, file in lists.items():
        splits[split] = {}
        for line in filter(None, read_lines(file)):
            name = next((n for n in _names(line) if n in pairs), None)
            if name is None and any(n in unlabelled for n in _names(line)):
                raise DatasetError(
                    f"{file} names {line[:80]!r}, which has no mask: label it, or remove it from the list"
                )
            if name is None:
                raise DatasetError(f"{file} names {line[:80]!r}, which the source does not have")
            if seen.setdefault(name, split) != split:
                raise DatasetError(f"{name} is listed for {seen[name]} and for {split}: a frame is in one split only")
            splits[split][name] = pairs[name]
        if not splits[split]:
            raise DatasetError(f"{file} names no frame")
    return splits


def _names(line: str) -> Iterator[str]:
    """The names that a line may mean: they may have blanks, or a dot that is not an ending's."""
    for path in (Path(line), Path(line.split()[0])):
        yield from (path.name, path.stem)
