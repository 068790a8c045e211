"""Small dataset folders for tests, drawn, so that the right mask is known."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from edgeunet.imaging.letterbox import UInt8

CLASSES = [
    {"index": 0, "name": "ground", "color": [90, 90, 90], "ignore": False},
    {"index": 1, "name": "disc", "color": [255, 0, 0], "ignore": False},
    {"index": 2, "name": "bar", "color": [0, 0, 255], "ignore": False},
    {"index": 3, "name": "void", "color": [0, 0, 0], "ignore": True},
]


def draw(number: int, classes: int = 3, size: tuple[int, int] = (48, 64)) -> tuple[UInt8, UInt8]:
    """A frame, uint8 [h, w, 3], with a bright disc and (of three classes) a dark bar on noise, and its mask."""
    rng = np.random.default_rng(number)
    frame = rng.integers(100, 140, (*size, 3), dtype=np.uint8)
    mask = np.zeros(size, np.uint8)
    if classes > 2:
        row = int(rng.integers(4, size[0] - 12))
        frame[row : row + 8] = rng.integers(0, 40, (8, size[1], 3), dtype=np.uint8)
        mask[row : row + 8] = 2
    center = (int(rng.integers(12, size[1] - 12)), int(rng.integers(12, size[0] - 12)))
    cv2.circle(frame, center, 9, (220, 230, 240), cv2.FILLED)
    cv2.circle(mask, center, 9, (1,), cv2.FILLED)
    return frame, mask


def write_dataset(
    path: Path, *, train: int = 4, val: int = 2, classes: int = 3, size: tuple[int, int] = (48, 64)
) -> Path:
    """A dataset folder in the layout of DatasetFolder, with 2 or 3 classes and `void` after them."""
    for split, count, first in (("train", train, 0), ("val", val, 1000)):
        for kind in ("images", "masks"):
            (path / kind / split).mkdir(parents=True)
        for k in range(count):
            frame, mask = draw(first + k, classes, size)
            cv2.imwrite(str(path / "images" / split / f"{k:03}.png"), frame)
            cv2.imwrite(str(path / "masks" / split / f"{k:03}.png"), mask)
    (path / "classes.json").write_text(json.dumps({"classes": [*CLASSES[:classes], CLASSES[3]]}))
    return path
