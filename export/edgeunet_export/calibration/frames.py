"""Real frames, one at a time, for checks and for calibration; masks are not needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeunet import samples
from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import DatasetError, ImageError
from edgeunet.imaging.images import read_image
from edgeunet.imaging.letterbox import UInt8
from edgeunet.spec import ModelSpec


def own_or_given(data: Path | None, split: str, spec: ModelSpec, model: Path) -> list[Path]:
    """The images of a split of the dataset `data`; without one, the package's own frames, which fit any model.

    Raises MismatchError for a dataset of other classes than the model's, DatasetError for a damaged one.
    """
    if data is None:
        return DatasetFolder.open(samples.DATASET).image_paths("train")
    folder = DatasetFolder.open(data)
    spec.require_classes(folder.names, model=str(model), dataset=str(data))
    return folder.image_paths(split)


def spread(paths: Sequence[Path], count: int) -> list[Path]:
    """At most `count` of the paths, evenly spread, in order: neighbours in a drive show the same scene."""
    count = min(count, len(paths))
    return [paths[index * len(paths) // count] for index in range(count)]


def read_frames(paths: Sequence[Path]) -> Iterator[tuple[str, UInt8]]:
    """Name and frame, uint8 [h, w, 3] BGR, of each image; only one is in memory.

    Raises DatasetError for an image that cannot be read.
    """
    for path in paths:
        yield path.name, read_frame(path)


def read_frame(path: Path, *, eighth: bool = False) -> UInt8:
    """An image as uint8 [h, w, 3] BGR, or at an eighth of its size; raises DatasetError if it cannot be read."""
    try:
        return read_image(path, eighth=eighth)
    except ImageError as error:
        raise DatasetError(str(error)) from error
