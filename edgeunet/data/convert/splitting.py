"""Divides frames into train and val, by lists or into blocks of neighbours."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from edgeunet.data.text_lines import read_lines
from edgeunet.errors import DatasetError, UsageError

T = TypeVar("T")
VAL_SHARE = 0.2
_BLOCK = 10  # frames that a block has at least
_BLOCKS = 5


def divide(pairs: Mapping[str, T], val_share: float) -> dict[str, dict[str, T]]:
    """Divide frames into train and val: val is made of a few blocks of neighbours in the order of their names.

    Never at random: neighbouring frames of a video, or sections of a stack, are nearly the same picture. Drawn at
    random, each val frame would have near copies in train, and the score would measure memory. A block has neighbours
    in train only at its two ends; several blocks show more places than a single one.
    """
    names = sorted(pairs)
    count = round(val_share * len(names))
    if not 0 < count < len(names):
        raise UsageError(f"--val-share {val_share:g} of {len(names)} frames leaves none for train or val")
    blocks = min(_BLOCKS, max(1, count // _BLOCK))
    # The last frames of each of `blocks` stretches.
    ends = np.linspace(0, len(names), blocks + 1).round().astype(int)[1:]
    sizes = np.diff(np.linspace(0, count, blocks + 1).round().astype(int))
    val = {names[i] for end, size in zip(ends, sizes, strict=True) for i in range(end - size, end)}
    return {
        "train": {n: p for n, p in pairs.items() if n not in val},
        "val": {n: p for n, p in pairs.items() if n in val},
    }


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
