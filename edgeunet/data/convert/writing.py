"""Writing the frames of a source: images as they are, labels as class indices in 8-bit PNG."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.data.convert.conversion_options import Exif
from edgeunet.data.convert.labels.labelled_frame import (
    UNKNOWN,
    ConversionSource,
    FrameLabels,
    LabelledFrame,
    LabelSizeError,
    Moved,
    Splits,
)
from edgeunet.data.convert.unknown_values import UnknownIn, unknown_text
from edgeunet.data.dataset import exif_hint
from edgeunet.data.pairs import Problem, listed, name_in
from edgeunet.errors import DatasetError, ImageError
from edgeunet.imaging.image_header import read_header
from edgeunet.imaging.images import decode_image, unchanged
from edgeunet.spec import IGNORE
from edgeunet.utils import console

_NO_PIXELS = np.empty((0, 0), np.int16)


class _FrameFiles(NamedTuple):
    """One frame, and the files to write; the image's is without an ending."""

    frame: LabelledFrame
    image: Path
    mask: Path


class _WrittenFrame(NamedTuple):
    """One frame: its labels without their pixels, the pixels of each mask value, (256,), and what its image is."""

    labels: FrameLabels
    pixels: NDArray[np.int64]
    turned: bool  # by EXIF
    mask_turned: bool  # by EXIF of its own, which the image does not have


@dataclass(frozen=True)
class WrittenFrames:
    """kind: "colour", "value" or "label", what unknown pixels are told by."""

    pixels: NDArray[np.int64]  # (256,) of each mask value
    unknown: int  # pixels of unknown colours, values or labels
    kind: str
    left_out: Counter[str]  # what a mask cannot show: how many of each kind
    empty: int  # frames without any shape
    turned: int  # images with an EXIF orientation
    masks_turned: int  # masks with one that their image does not have
    lossy: int  # masks of class numbers that are JPEG
    moved: Moved  # all pixels that took the nearest colour

    @property
    def area(self) -> int:
        """All pixels."""
        return int(self.pixels.sum())


def write_frames(
    path: Path, source: ConversionSource, splits: Splits, target: Path, *, ignore_unknown: bool, exif: Exif | None
) -> WrittenFrames:
    """Write images/ and masks/ of every split to `target`.

    exif: "keep" turns the pixels of images as their EXIF orientation says, "drop" leaves them as stored; both write
    images without it, None copies them as they are. Raises DatasetError that lists all files that are damaged or do
    not fit their image, and, unless ignore_unknown, all colours, values or labels that the list of classes does not
    have.
    """
    work = []
    for split, frames in splits.items():
        images, masks = target / "images" / split, target / "masks" / split
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        work += [_FrameFiles(frame, images / name, masks / f"{name}.png") for name, frame in frames.items()]
    ignored = (*source.classes.ignored, IGNORE)[0]
    written: list[_WrittenFrame] = []
    unknown: list[UnknownIn] = []
    problems = []
    with console.progress() as bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda one: _write_frame(path, one, exif, ignored), work)
        for one, result in zip(work, bar.track(results, total=len(work), description="converting"), strict=True):
            if isinstance(result, Problem):
                problems.append(result)
                continue
            written.append(result)
            if result.labels.unknown:
                unknown.append(UnknownIn(one.frame.labels.path, result.labels))
    if problems:
        raise DatasetError(f"{path} has {len(problems)} problem(s), fix these files:{listed(problems)}")
    pixels = np.sum([w.pixels for w in written], axis=0)
    if unknown and not ignore_unknown:
        raise DatasetError(unknown_text(path, source, unknown, pixels))
    return WrittenFrames(
        pixels,
        sum(labels.unknown.total() for _, labels in unknown),
        written[0].labels.kind,
        sum((w.labels.left_out for w in written), Counter[str]()),
        sum(w.labels.empty for w in written),
        sum(w.turned for w in written),
        sum(w.mask_turned for w in written),
        sum(w.labels.lossy and w.labels.kind == "value" for w in written),
        Moved(sum(w.labels.moved.pixels for w in written), *max(w.labels.moved[1:] for w in written)),
    )


def _write_frame(path: Path, work: _FrameFiles, exif: Exif | None, ignored: int) -> _WrittenFrame | Problem:
    """Write one image and its mask, or return what is wrong. ignored: the mask value of what is unknown."""
    image, labels = work.frame
    reading = image.path
    try:
        data = image.read()
        header = read_header(data)
        height, width = decode_image(data, turn=exif != "drop").shape[:2]
        reading = labels.path
        read = labels.read((height, width), turn=exif != "drop")
    except LabelSizeError as error:
        remedy = "" if exif else exif_hint(header, error.size, "give --exif drop")
        return Problem(name_in(reading, path), error.what, remedy)
    except ImageError as error:
        return Problem(name_in(reading, path), error.what)
    values = np.where(read.indices == UNKNOWN, ignored, read.indices).astype(np.uint8)
    turned = header.orientation != 1
    if turned and exif:
        exact = unchanged(data, header, turn=exif == "keep")
        work.image.with_name(f"{work.image.name}.png").write_bytes(cv2.imencode(".png", exact)[1].tobytes())
    else:
        # Copied, not linked: a change of the copy must not reach the source.
        ending = image.ending or f".{header.format.lower()}"
        work.image.with_name(f"{work.image.name}{ending}").write_bytes(data)
    work.mask.write_bytes(cv2.imencode(".png", values)[1].tobytes())
    pixels = np.bincount(values.ravel(), minlength=256).astype(np.int64)
    mask_turned = read.orientation not in (1, header.orientation)
    return _WrittenFrame(replace(read, indices=_NO_PIXELS), pixels, turned, mask_turned)
