"""Video of a live camera, made from still frames: a window moves over each of them, and a sensor adds noise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edgeunet.errors import UsageError
from edgeunet.imaging.images import IMAGE_ENDINGS, read_image
from edgeunet.imaging.pixels import UInt8

SIZE = (360, 640)  # (height, width) of the video
MARGIN = 80  # pixels by which a scene is wider
FPS = 30
SIGMAS = (0.3, 0.5, 1.0, 2.0, 4.0)  # of the sensor's noise, of 255


class NoisySensor:
    """Adds noise to pictures, each time other noise: normal, of the same sigma everywhere."""

    def __init__(self, sigma: float, size: tuple[int, int] = SIZE, seed: int = 0) -> None:
        """size: (height, width) of the pictures."""
        self._rng = np.random.default_rng(seed)
        self._size = size
        shape = (2 * size[0], 2 * size[1])
        self._noise = np.rint(self._rng.normal(0, sigma, shape)).astype(np.int16)

    def see(self, picture: UInt8) -> UInt8:
        """uint8 [h, w] → uint8 [h, w, 1]."""
        top, left = self._rng.integers(0, self._size)
        height, width = self._size
        noise = self._noise[top : top + height, left : left + width]
        return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)[..., None]


def scenes_of(folders: list[Path], size: tuple[int, int] = SIZE, margin: int = MARGIN) -> list[UInt8]:
    """The green channel of all images in folders, uint8 [h, w + margin], in the order of their names."""
    height, width = size
    scenes = []
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS):
            whole = read_image(path)[..., 1]
            rows = min(whole.shape[0], whole.shape[1] * height // (width + margin))
            top = (whole.shape[0] - rows) // 2
            scaled = cv2.resize(whole[top : top + rows], (width + margin, height), interpolation=cv2.INTER_AREA)
            scenes.append(np.asarray(scaled, np.uint8))
    if not scenes:
        raise UsageError(f"no images in {', '.join(map(str, folders))}: give folders of road frames")
    return scenes


def windows_of(scene: UInt8, size: tuple[int, int] = SIZE, speed: int = 1, still: int = 0) -> Iterator[UInt8]:
    """The window without noise, uint8 [h, w]: it stands still for some frames, then moves to and fro for ever.

    speed: in pixels per frame.
    """
    margin = scene.shape[1] - size[1]
    number = 0
    while True:
        way = max(0, number - still) * speed % (2 * margin)
        left = min(way, 2 * margin - way)
        yield np.ascontiguousarray(scene[:, left : left + size[1]])
        number += 1
