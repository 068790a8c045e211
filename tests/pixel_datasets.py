"""Frames of other cameras than 8-bit BGR, with known pixels, as datasets, models and a spec."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from edgeunet.imaging.pixels import Pixels
from edgeunet.spec import ModelSpec, PixelFormat
from tests.datasets import CLASSES, draw
from tests.models import toy_spec

GREY, FOUR, THERMAL = PixelFormat(1), PixelFormat(4), PixelFormat(1, deep=True)
FOUR_DEEP, BGR_DEEP = PixelFormat(4, deep=True), PixelFormat(3, deep=True)
KINDS = {"grey": GREY, "four": FOUR, "thermal": THERMAL, "four of 16 bits": FOUR_DEEP, "BGR of 16 bits": BGR_DEEP}


def spec_for(pixels: PixelFormat, size: tuple[int, int] = (32, 48)) -> ModelSpec:
    """The toy model's classes, on frames of this kind; with levels inside of what frame_for() has."""
    mean, std = ModelSpec.usual_scale(pixels)
    levels = tuple((7000.0 + 50 * k, 8000.0 + 50 * k) for k in range(pixels.channels)) if pixels.deep else ()
    return replace(toy_spec(size), channels=pixels.channels, mean=mean, std=std, levels=levels)


def frame_for(pixels: PixelFormat, number: int = 0, size: tuple[int, int] = (72, 96)) -> Pixels:
    """The drawn frame of tests.datasets; a fourth channel is its green one upside down; of 16 bits 6800 to 8075."""
    frame = draw(number, size=size)[0]
    if pixels.channels == 1:
        frame = frame[..., 1:2]
    if pixels.channels == 4:
        frame = np.concatenate([frame, frame[::-1, :, 1:2]], axis=2)
    return np.ascontiguousarray(frame.astype(np.uint16) * 5 + 6800 if pixels.deep else frame)


def write_pixels(path: Path, pixels: PixelFormat, *, train: int = 2, val: int = 1) -> Path:
    """A dataset folder of such frames as PNG: in train 0, 1, …, in val 1000, …"""
    for split, numbers in (("train", range(train)), ("val", range(1000, 1000 + val))):
        for kind in ("images", "masks"):
            (path / kind / split).mkdir(parents=True)
        for number in numbers:
            cv2.imwrite(str(path / "images" / split / f"{number:04}.png"), frame_for(pixels, number))
            cv2.imwrite(str(path / "masks" / split / f"{number:04}.png"), draw(number, size=(72, 96))[1])
    (path / "classes.json").write_text(json.dumps({"classes": CLASSES}))
    return path
