"""Writing the frames of a source: images as they are, masks as class indices in 8-bit PNG."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.data.convert.conversion_source import ConversionSource, Splits, holds_indices
from edgeunet.data.convert.mask_table import UNKNOWN
from edgeunet.data.dataset import exif_hint, size_text
from edgeunet.data.pairs import ImageMaskPair, Problem, listed, name_in
from edgeunet.errors import DatasetError, ImageError
from edgeunet.imaging.image_header import read_header
from edgeunet.imaging.images import decode_image, named, read_file, unchanged
from edgeunet.imaging.mask_image import read_mask
from edgeunet.spec import IGNORE
from edgeunet.utils import console
from edgeunet.utils.formatting import percentage

Exif = Literal["keep", "drop"]
_SHOWN = 5  # unknown colours that are listed


class _FrameFiles(NamedTuple):
    """The files of one frame, and where they go; the image's target is without an ending."""

    pair: ImageMaskPair
    image: Path
    mask: Path


class _WrittenFrame(NamedTuple):
    """One frame: pixels of each unknown code and of each mask value, (256,), and what its files are."""

    unknown: Counter[int]
    pixels: NDArray[np.int64]
    bits: int  # of the mask
    values: set[int]  # the mask's numbers; none if it is in colours
    turned: bool  # by EXIF


@dataclass(frozen=True)
class WrittenFrames:
    """unknown: pixels of unknown colours or values. area: all pixels. turned: images with an EXIF orientation."""

    unknown: int
    area: int
    turned: int
    pixels: NDArray[np.int64]  # (256,) of each mask value


def write_frames(
    path: Path, source: ConversionSource, splits: Splits, target: Path, *, ignore_unknown: bool, exif: Exif | None
) -> WrittenFrames:
    """Write images/ and masks/ of every split to `target`.

    exif: "keep" turns the pixels of images as their EXIF orientation says, "drop" leaves them as stored; both write
    images without it, None copies them as they are. Raises DatasetError that lists all files that are damaged or do
    not fit their image, and, unless ignore_unknown, all colours or values that the list of classes does not have.
    """
    work = []
    for split, pairs in splits.items():
        images, masks = target / "images" / split, target / "masks" / split
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        work += [_FrameFiles(pair, images / name, masks / f"{name}.png") for name, pair in pairs.items()]
    written: dict[Path, _WrittenFrame] = {}
    problems = []
    with console.progress() as bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda one: _write_frame(path, source, one, exif), work)
        for one, result in zip(work, bar.track(results, total=len(work), description="converting"), strict=True):
            if isinstance(result, Problem):
                problems.append(result)
            else:
                written[one.pair.mask] = result
    if problems:
        raise DatasetError(f"{path} has {len(problems)} problem(s), fix these files:{listed(problems)}")
    unknown = Counter[int]()
    for result in written.values():
        unknown += result.unknown
    if unknown and not ignore_unknown:
        raise DatasetError(_unknown_text(path, source, unknown, written))
    pixels = np.sum([w.pixels for w in written.values()], axis=0)
    return WrittenFrames(unknown.total(), int(pixels.sum()), sum(w.turned for w in written.values()), pixels)


def _write_frame(path: Path, source: ConversionSource, work: _FrameFiles, exif: Exif | None) -> _WrittenFrame | Problem:
    """Write one image and its mask, or return what is wrong."""
    reading = work.pair.image
    try:
        with named(reading):
            data = read_file(reading)
            header = read_header(data)
            image = decode_image(data, turn=exif != "drop")
        reading = work.pair.mask
        mask = read_mask(reading, turn=exif != "drop")
        codes = source.table.codes(mask)
    except ImageError as error:
        return Problem(name_in(reading, path), error.what)
    if codes.shape != image.shape[:2]:
        what = f"{size_text(codes.shape)}, but its image is {size_text(image.shape)}"
        remedy = "" if exif else exif_hint(header, codes.shape, path)
        return Problem(name_in(work.pair.mask, path), what, remedy)
    indices = source.table.indices[codes]
    strange = indices == UNKNOWN
    values = np.where(strange, (*source.classes.ignored, IGNORE)[0], indices).astype(np.uint8)
    turned = header.orientation != 1
    if turned and exif:
        exact = unchanged(data, header, turn=exif == "keep")
        work.image.with_name(f"{work.image.name}.png").write_bytes(cv2.imencode(".png", exact)[1].tobytes())
    else:
        # Copied, not linked: a change of the copy must not reach the source.
        shutil.copyfile(work.pair.image, work.image.with_name(work.image.name + work.pair.image.suffix))
    work.mask.write_bytes(cv2.imencode(".png", values)[1].tobytes())
    found, counts = np.unique(codes[strange], return_counts=True)
    return _WrittenFrame(
        Counter(dict(zip(found.tolist(), counts.tolist(), strict=True))),
        np.bincount(values.ravel(), minlength=256).astype(np.int64),
        mask.header.bits,
        mask.values,
        turned,
    )


def _unknown_text(
    path: Path, source: ConversionSource, unknown: Counter[int], written: Mapping[Path, _WrittenFrame]
) -> str:
    table, origin = source.table, source.classes.origin
    kind = "colour" if table.in_colors else "value"
    first = {code: file for file, w in reversed(list(written.items())) for code in w.unknown}
    area = sum(int(w.pixels.sum()) for w in written.values())
    lines = []
    for code, pixels in unknown.most_common(_SHOWN):
        bits = written[first[code]].bits
        deep = f" ({bits}-bit)" if bits > 8 else ""
        lines.append(f"\n  {table.name(code)}: {pixels} pixels, first in {name_in(first[code], path)}{deep}")
    more = f"\n  and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
    remedy = "add each to the list of classes, or leave these pixels out with --ignore-unknown"
    pixels_of = np.sum([w.pixels for w in written.values()], axis=0)
    absent = [c.name for i, c in enumerate(source.classes.classes) if not pixels_of[i]]
    if table.in_colors and len(absent) == len(unknown):
        remedy = (
            f"no mask has {', '.join(absent)}: if the colours above mean that, change its color in {origin}; "
            f"else {remedy}"
        )
    if table.in_colors and holds_indices([w.values for w in written.values() if w.unknown], source.classes):
        remedy = "these look like class indices: give --layout indices"
    elif len(unknown) > len(source.classes.entries) and table.in_colors:
        remedy += "; masks that were once saved as JPEG or made smaller have such colours at their edges"
    share = (
        f"{len(unknown)} {kind}(s) that {origin} does not have, {percentage(unknown.total() / area)} % of all pixels"
    )
    return f"{path} has {share}:{''.join(lines)}{more}\n{remedy}"
