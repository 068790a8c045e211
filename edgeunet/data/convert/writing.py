"""Writing the frames of a source: images as they are, masks as class indices in 8-bit PNG."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from edgeunet import console
from edgeunet.data.convert.source import Source, Splits
from edgeunet.data.convert.table import UNKNOWN
from edgeunet.data.folder import size_text
from edgeunet.data.pairs import Pair, Problem, listed
from edgeunet.errors import DatasetError, ImageError
from edgeunet.images import read_file, read_image
from edgeunet.spec import IGNORE

_SHOWN = 5  # unknown colours named one by one


class _Work(NamedTuple):
    """One frame: its files and where they go."""

    pair: Pair
    image: Path
    mask: Path


def write_frames(path: Path, source: Source, splits: Splits, target: Path, *, ignore_unknown: bool) -> int:
    """Write images/ and masks/ of every split to `target`, and give the number of pixels of unknown colours or values.

    Raises DatasetError that lists all files that are damaged or do not fit their image, and, unless these pixels are
    to be ignored, all colours or values that the source's list of classes does not have.
    """
    work = []
    for split, pairs in splits.items():
        images, masks = target / "images" / split, target / "masks" / split
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for name, pair in pairs.items():
            work.append(_Work(pair, images / f"{name}{pair.image.suffix}", masks / f"{name}.png"))
    unknown: Counter[int] = Counter()
    first: dict[int, Path] = {}
    problems = []
    with console.progress() as bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda one: _write_frame(path, source, one), work)
        for one, result in zip(work, bar.track(results, total=len(work), description="converting"), strict=True):
            if isinstance(result, Problem):
                problems.append(result)
            else:
                unknown += result
                for code in result:
                    first.setdefault(code, one.pair.mask)
    if problems:
        raise DatasetError(f"{path} has {len(problems)} problem(s), mend or remove these files:{listed(problems)}")
    if unknown and not ignore_unknown:
        raise DatasetError(_unknown_text(path, source, unknown, first))
    return unknown.total()


def _write_frame(path: Path, source: Source, work: _Work) -> Counter[int] | Problem:
    """Write one image and its mask; gives the pixels of each unknown code, or what is wrong."""
    reading = work.pair.image
    try:
        image = read_image(reading)
        reading = work.pair.mask
        codes = source.table.codes(read_file(reading))
    except ImageError as error:
        return Problem(_relative(reading, path), error.what)
    if isinstance(codes, str):
        return Problem(_relative(work.pair.mask, path), codes)
    if codes.shape != image.shape[:2]:
        what = f"{size_text(codes.shape)}, but its image is {size_text(image.shape)}"
        return Problem(_relative(work.pair.mask, path), what)
    indices = source.table.indices[codes]
    strange = indices == UNKNOWN
    mask = np.where(strange, (*source.classes.ignored, IGNORE)[0], indices).astype(np.uint8)
    # Copied, not linked: what is done to the copy must not reach the source.
    shutil.copyfile(work.pair.image, work.image)
    work.mask.write_bytes(cv2.imencode(".png", mask)[1].tobytes())
    values, counts = np.unique(codes[strange], return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def _unknown_text(path: Path, source: Source, unknown: Counter[int], first: Mapping[int, Path]) -> str:
    table, origin = source.table, source.classes.origin
    kind = "colour" if table.in_colors else "value"
    lines = [
        f"\n  {table.name(code)}: {pixels} pixels, first in {_relative(first[code], path)}"
        for code, pixels in unknown.most_common(_SHOWN)
    ]
    more = f"\n  and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
    remedy = "add each to the list of classes, or leave these pixels out with --ignore-unknown"
    if all(table.is_grey(code, len(source.classes.entries)) for code in unknown):
        remedy = "these look like class indices: use the folder as it is, or give --layout indices"
    return f"{path} has {len(unknown)} {kind}(s) that {origin} does not have:{''.join(lines)}{more}\n{remedy}"


def _relative(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix()
