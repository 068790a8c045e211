"""Real frames, one at a time, for checks and for calibration; masks are not needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgeunet import samples
from edgeunet.errors import DatasetError, ImageError
from edgeunet.imaging.images import read_image
from edgeunet.imaging.pixels import Pixels, imitated
from edgeunet.spec import BGR, ModelSpec


def spread(paths: Sequence[Path], count: int) -> list[Path]:
    """At most `count` of the paths, evenly spread, in order: neighbours in a drive show the same scene."""
    count = min(count, len(paths))
    return [paths[index * len(paths) // count] for index in range(count)]


def read_frames(paths: Sequence[Path], spec: ModelSpec | None = None) -> Iterator[tuple[str, Pixels]]:
    """Name and frame of each image, as read_frame() gives it; only one is in memory.

    Raises DatasetError for an image that cannot be read.
    """
    for path in paths:
        yield path.name, read_frame(path, spec)


def read_frame(path: Path, spec: ModelSpec | None = None, *, eighth: bool = False) -> Pixels:
    """An image with the pixels that a model takes, uint8 [h, w, 3] BGR without one; or at an eighth of its size.

    The package's own frames are changed as if the model's camera had taken them. Raises DatasetError if it cannot be
    read.
    """
    own = spec is not None and path.is_relative_to(samples.DATASET)
    try:
        frame = read_image(path, BGR if spec is None or own else spec.pixels, eighth=eighth)
        return imitated(np.asarray(frame, np.uint8), spec) if spec is not None and own else frame
    except ImageError as error:
        raise DatasetError(str(error)) from error
