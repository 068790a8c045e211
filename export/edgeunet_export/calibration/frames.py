"""Real frames, one at a time: for checks and for calibration, where masks don't matter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeunet import samples
from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import DatasetError, ImageError
from edgeunet.imaging.images import read_image
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.spec import ModelSpec

"""That a command may be asked to look at."""


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

    Raises DatasetError for an image that can't be read.
    """
    for path in paths:
        yield path.name, read_frame(path)


def read_frame(path: Path, *, eighth: bool = False) -> UInt8:
    """An image as uint8 [h, w, 3] BGR, or at an eighth of its size; raises DatasetError if it can't be read."""
    try:
        return read_image(path, eighth=eighth)
    except ImageError as error:
        raise DatasetError(str(error)) from error


def read_thumbnail(path: Path) -> UInt8:
    """The same at an eighth of its size, which a JPEG decoder gives in a fraction of the time."""
    return read_frame(path, eighth=True)


def fitted(frame: UInt8, spec: ModelSpec) -> UInt8:
    """uint8 [h, w, 3] → uint8 [1, H, W, 3], what the model file takes."""
    return Letterbox.of((frame.shape[0], frame.shape[1]), spec).fit(frame)[None]
