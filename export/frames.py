"""Real frames, one at a time: for checks and for calibration, where masks don't matter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeunet import samples
from edgeunet.data.folder import DatasetFolder, read_image
from edgeunet.errors import DatasetError
from edgeunet.frames import Fitting, UInt8
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

    Raises DatasetError for an image that can't be read.
    """
    for path in paths:
        yield path.name, read_frame(path)


def read_frame(path: Path) -> UInt8:
    """An image as uint8 [h, w, 3] BGR; raises DatasetError if it can't be read."""
    return _readable(read_image(path), path)


def read_thumbnail(path: Path) -> UInt8:
    """The same at an eighth of its size, which a JPEG decoder gives in a fraction of the time."""
    data = np.fromfile(path, np.uint8)
    return _readable(cv2.imdecode(data, cv2.IMREAD_REDUCED_COLOR_8) if data.size else None, path)


def _readable(image: Any, path: Path) -> UInt8:
    if image is None:
        raise DatasetError(f"{path} cannot be read as an image ({path.stat().st_size} bytes): mend or remove it")
    return np.asarray(image, dtype=np.uint8)


def fitted(frame: UInt8, spec: ModelSpec) -> UInt8:
    """uint8 [h, w, 3] → uint8 [1, H, W, 3], what the model file takes."""
    return Fitting.of((frame.shape[0], frame.shape[1]), spec).fit(frame)[None]
