"""Small trees in the layouts that others publish: their folders, names, colours and ids, but drawn frames."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.imaging.letterbox import UInt8
from tests.datasets import CLASSES, draw

# As in the label_colors.txt that comes with CamVid, tabs included.
LABEL_COLORS = """64 128 64\tAnimal
192 0 128\tArchway
0 128 192\tBicyclist
0 128 64\tBridge
128 0 0\t\tBuilding
64 0 128\tCar
64 0 192\tCartLuggagePram
192 128 64\tChild
192 192 128\tColumn_Pole
64 64 128\tFence
128 0 192\tLaneMkgsDriv
192 0 64\tLaneMkgsNonDriv
128 128 64\tMisc_Text
192 0 192\tMotorcycleScooter
128 64 64\tOtherMoving
64 192 128\tParkingBlock
64 64 0\t\tPedestrian
128 64 128\tRoad
128 128 192\tRoadShoulder
0 0 192\t\tSidewalk
192 128 128\tSignSymbol
128 128 128\tSky
64 128 192\tSUVPickupTruck
0 0 64\t\tTrafficCone
0 64 64\t\tTrafficLight
192 64 128\tTrain
128 128 0\tTree
192 128 192\tTruck_Bus
64 0 64\t\tTunnel
192 192 0\tVegetationMisc
0 0 0\t\tVoid
64 192 0\tWall
"""


def write(path: Path, picture: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def pictures_in(folder: Path) -> dict[str, UInt8]:
    """Image files by name, as they are: masks of class indices uint8 [h, w]."""
    return {p.name: np.asarray(cv2.imread(str(p), cv2.IMREAD_UNCHANGED), np.uint8) for p in sorted(folder.iterdir())}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a tree with its bytes."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def colored(mask: UInt8, colors: Sequence[Sequence[int]]) -> UInt8:
    """A mask of class indices in the colours (red, green, blue) of the classes: uint8 [h, w, 3] BGR."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(colors)] = [tuple(c)[::-1] for c in colors]
    return table[mask]


def write_colors(path: Path, *, splits: Sequence[str] = (), frames: int = 3, suffix: str = ".png") -> Path:
    """Drawn frames with masks in the colours of classes.json: images/ and masks/, with a folder for each split."""
    for split in splits or ("",):
        for k in range(frames):
            frame, mask = draw(k)
            mask[0] = 3  # void
            write(path / "images" / split / f"{k:03}{suffix}", frame)
            write(path / "masks" / split / f"{k:03}.png", colored(mask, [c["color"] for c in CLASSES]))  # type: ignore[misc]
    (path / "classes.json").write_text(json.dumps({"classes": CLASSES}))
    return path


def write_cityscapes(path: Path, *, train_ids: bool = False) -> Path:
    """Frames of two cities in train, one in val and in test, whose masks hold every id from 0 to 33, and 255."""
    ids = np.array([*range(34), 255, 255], np.uint8).reshape(6, 6)
    cities = {"aachen": ("train", 2), "bochum": ("train", 1), "lindau": ("val", 1), "bonn": ("test", 1)}
    for city, (split, count) in cities.items():
        for k in range(count):
            name = f"{city}_{k:06}_000019"
            write(path / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", np.full((6, 6, 3), k, np.uint8))
            kinds = {"labelTrainIds": np.arange(36, dtype=np.uint8).reshape(6, 6)} if train_ids else {"labelIds": ids}
            kinds["instanceIds"] = ids
            for kind, mask in kinds.items():
                write(path / "gtFine" / split / city / f"{name}_gtFine_{kind}.png", mask)
            (path / "gtFine" / split / city / f"{name}_gtFine_polygons.json").write_text("{}")
    return path


def write_camvid(path: Path, *, frames: int = 4) -> Path:
    """Frames whose masks hold all 32 colours, a row for each."""
    lines = [line.split() for line in LABEL_COLORS.splitlines()]
    mask = np.repeat(np.array([[int(v) for v in line[2::-1]] for line in lines], np.uint8)[:, None], 8, axis=1)
    for k in range(frames):
        name = f"0006R0_f{930 + 30 * k:05}"
        write(path / "701_StillsRaw_full" / f"{name}.png", np.full((32, 8, 3), k, np.uint8))
        write(path / "LabeledApproved_full" / f"{name}_L.png", mask)
    (path / "label_colors.txt").write_text(LABEL_COLORS)
    return path
