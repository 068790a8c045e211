"""The choice of images to calibrate on: a few that represent all, rare scenes included."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.board.machine import physical_cores
from edgeunet.imaging.pixels import UInt8, picture_of
from edgeunet.spec import ModelSpec
from edgeunet.utils.console import progress
from edgeunet.utils.files import sha256
from edgeunet_export.calibration.frames import read_frame

PLAIN = 2.0
"""A frame with a smaller standard deviation, in grey levels, shows one colour: a covered lens, even with noise."""

Features = NDArray[np.float64]  # (images, statistics), each statistic with mean 0 and deviation 1


def distinct(images: Sequence[Path]) -> dict[str, Path]:
    """SHA-256 of the content → file, in the order of the hashes; of files with the same content only one."""
    with ThreadPoolExecutor(physical_cores()) as pool:
        hashed = zip(pool.map(sha256, sorted(images, reverse=True)), sorted(images, reverse=True), strict=True)
        return dict(sorted(dict(hashed).items()))


def representative(images: Sequence[Path], count: int, seed: int, spec: ModelSpec | None = None) -> list[Path]:
    """At most `count` of the images that differ in content, spread over what they look like.

    spec: of a model, whose levels show frames of 16 bits. The choice follows from contents and seed; names and order of
    the files do not matter.
    Raises DatasetError for an image that cannot be read.
    """
    paths = list(distinct(images).values())
    if len(paths) <= count:
        return paths
    with progress() as bar, ThreadPoolExecutor(physical_cores()) as pool:
        task = bar.add_task("choosing images", total=len(paths), note="")
        rows = []
        for row in pool.map(lambda path: _statistics(_thumbnail(path, spec)), paths):
            rows.append(row)
            bar.advance(task)
    statistics = np.array(rows)
    usable = np.flatnonzero(statistics[:, _CONTRAST] >= PLAIN)
    if len(usable) < count:
        usable = np.arange(len(paths))
    return [paths[usable[index]] for index in spread_over(_standardized(statistics[usable]), count, seed)]


def is_plain(frame: UInt8) -> bool:
    """Whether a frame, uint8 [h, w, channels], shows nothing but one colour."""
    return bool(cv2.meanStdDev(frame)[1].max() < PLAIN)


def spread_over(features: Features, count: int, seed: int) -> list[int]:
    """Indices of `count` rows, at most all of them, in rising order.

    The seed draws the first one, and each further one lies farthest from all before (Gonzalez 1985, "Clustering to
    minimize the maximum intercluster distance"), so that a rare kind of scene is among them. Those are extremes, so
    each is replaced by the most typical row of its group, the rows that are nearest to it.
    """
    nearest = np.zeros(len(features), np.int64)
    distances = np.full(len(features), np.inf)
    chosen = int(np.random.default_rng(seed).integers(len(features)))
    for number in range(count):
        distance = ((features - features[chosen]) ** 2).sum(1)
        closer = distance < distances
        nearest[closer], distances[closer] = number, distance[closer]
        nearest[chosen], distances[chosen] = number, -1.0  # neither chosen again nor put into another group
        chosen = int(distances.argmax())
    return sorted(_typical(features, np.flatnonzero(nearest == number)) for number in range(count))


def _typical(features: Features, members: NDArray[np.int64]) -> int:
    own = features[members]
    return int(members[((own - own.mean(0)) ** 2).sum(1).argmin()])


_CONTRAST = 1  # its index in the statistics


def _thumbnail(path: Path, spec: ModelSpec | None) -> UInt8:
    """An image as people see it, uint8 [h, w, 3], at an eighth of its size."""
    return picture_of(read_frame(path, spec, eighth=True), spec.levels if spec else ())


def _statistics(thumbnail: UInt8) -> list[float]:
    """Brightness, contrast, tint, edges, darkest and brightest parts, and how much brighter the upper half is."""
    lab = cv2.cvtColor(thumbnail, cv2.COLOR_BGR2Lab).astype(np.float32)
    light = lab[:, :, 0]
    upper, lower = np.array_split(light, 2) if len(light) > 1 else (light, light)
    edges = [np.abs(np.diff(light, axis=axis)).mean() if light.shape[axis] > 1 else 0.0 for axis in (0, 1)]
    values = (
        light.mean(),
        lab.std(axis=(0, 1)).max(),
        lab[:, :, 1].mean(),
        lab[:, :, 2].mean(),
        sum(edges),
        *np.percentile(light, (5, 95)),
        upper.mean() - lower.mean(),
    )
    return [float(value) for value in values]


def _standardized(statistics: NDArray[np.float64]) -> Features:
    deviation = statistics.std(0)
    return np.asarray((statistics - statistics.mean(0)) / np.where(deviation > 0, deviation, 1.0))
