"""The frames on which two models agree least, as pictures: frame | masks of A | masks of B | difference."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edgeunet.imaging.letterbox import UInt8
from edgeunet.imaging.overlay import OPACITY, Overlay
from edgeunet.imaging.pixels import picture_of
from edgeunet.runtime import Result
from edgeunet.spec import ModelSpec
from edgeunet.utils.folders import replacing_folder
from edgeunet_export.verify.mask_agreement import ComparedFrame, MaskComparison

DIFFERENT = (255, 0, 255)  # (blue, green, red) of the pixels that differ, over the frame in dark grey
_GAP = 8  # pixels between two pictures, white


def write_pictures(folder: Path, comparison: MaskComparison, names: tuple[str, str], *, force: bool) -> list[str]:
    """Write a PNG of each of the worst frames into `folder`, the first named worst1; returns their names.

    names: of models A and B, for the legends.
    Raises OutputError if the folder exists and `force` is false; all are written or none.
    """
    files = [f"worst{place}.{Path(frame.name).stem}.png" for place, frame in enumerate(comparison.worst, 1)]
    with replacing_folder(folder, force=force) as temporary:
        for file, frame in zip(files, comparison.worst, strict=True):
            picture = side_by_side(frame, comparison.specs, names)
            (temporary / file).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return files


def side_by_side(frame: ComparedFrame, specs: tuple[ModelSpec, ModelSpec], names: tuple[str, str]) -> UInt8:
    """uint8 [h, 4 w + gaps, 3] BGR."""
    picture = picture_of(frame.pixels, specs[0].levels)
    gap = np.full((picture.shape[0], _GAP, 3), 255, np.uint8)
    a = _overlay(picture, frame.a, specs[0], names[0])
    b = _overlay(picture, frame.b, specs[1], names[1])
    return np.asarray(cv2.hconcat([picture, gap, a, gap, b, gap, _difference(picture, frame)]), dtype=np.uint8)


def _overlay(pixels: UInt8, result: Result, spec: ModelSpec, name: str) -> UInt8:
    return Overlay(spec, OPACITY).draw(pixels, result.mask, result.letterbox, [name])


def _difference(picture: UInt8, frame: ComparedFrame) -> UInt8:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) // 2
    drawn = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    a, b = (result.letterbox.restore_mask(result.mask) for result in (frame.a, frame.b))
    drawn[a != b] = DIFFERENT
    return drawn
