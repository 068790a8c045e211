"""The same two frames for every format: a road with a car in each, and the masks that must come out."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.data.convert.conversion import ConversionResult, convert
from edgeunet.data.convert.conversion_options import ConversionOptions
from edgeunet.imaging.letterbox import UInt8
from tests.data.convert.trees import contents, pictures_in, write

HEIGHT, WIDTH = 48, 64
HALF = ConversionOptions(val_share=0.5)
ROAD = {"a": [(4, 44), (20, 20), (44, 20), (60, 44)], "b": [(10, 47), (30, 16), (40, 16), (63, 47)]}
CAR = {"a": [(25, 25), (38, 25), (38, 36), (25, 36)], "b": [(20, 30), (50, 30), (50, 38), (20, 38)]}


def filled(corners: list[tuple[int, int]]) -> NDArray[np.bool_]:
    """[HEIGHT, WIDTH] where a polygon is, with its outline."""
    canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(canvas, [np.array(corners, np.int32)], 1)
    return np.asarray(canvas == 1, bool)


def expected(name: str) -> UInt8:
    """0 background, 1 road, 2 car, which is on top."""
    mask = np.where(filled(ROAD[name]), 1, 0)
    return np.where(filled(CAR[name]), 2, mask).astype(np.uint8)


def write_images(folder: Path, names: str = "ab", ending: str = ".png") -> None:
    for name in names:
        write(folder / f"{name}{ending}", np.full((HEIGHT, WIDTH, 3), ord(name), np.uint8))


def made_masks(made: Path) -> dict[str, UInt8]:
    """The masks of all splits by name, with the numbers of expected(), whatever the order of the classes is."""
    listed = json.loads((made / "classes.json").read_text())["classes"]
    table = np.full(256, 255, np.uint8)
    for entry in listed:
        if not entry["ignore"]:
            table[entry["index"]] = ("background", "road", "car").index(entry["name"].strip("_"))
    found = [pictures_in(folder) for folder in sorted((made / "masks").iterdir())]
    return {Path(name).stem: table[mask] for masks in found for name, mask in masks.items()}


def convert_two(source: Path, options: ConversionOptions = HALF) -> ConversionResult:
    """Convert to "made" beside the source; the two frames come out right, and the source is untouched."""
    before = contents(source)
    done = convert(source, source.with_name("made"), options)
    masks = made_masks(source.with_name("made"))
    assert masks.keys() == {"a", "b"}
    for name, mask in masks.items():
        assert (mask == expected(name)).mean() > 0.99, name
    assert contents(source) == before
    return done
