"""Augmentation: one affine warp of frame and mask together, then the frame's colours.

Letterbox, scale, rotation, flip and crop are composed into one matrix, so that a pixel is
interpolated once; a mask is never interpolated, only sampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.data.dataset import Sample
from edgeunet.errors import UsageError
from edgeunet.imaging.letterbox import PADDING, Letterbox
from edgeunet.imaging.pixels import Pixels, UInt8, levelled
from edgeunet.spec import IGNORE

Matrix = NDArray[np.float64]
_AIMED = 0.8  # of a crop's sides: where in it a pixel lies that it must show


@dataclass(frozen=True)
class Augmentation:
    """How far a crop may differ from the frame.

    flip: probability of a mirrored crop.
    scale: smallest and largest size relative to the fitted frame.
    aspect: largest factor by which width and height scale differently.
    rotation_deg: largest turn either way.
    color: strength of changes of brightness, contrast, gamma, saturation and hue; 0 changes no colours. With 1 a
        network was worse on other places after 8 minutes (benchmarks/results/camvid/screening.json).
    """

    flip: float = 0.5
    scale: tuple[float, float] = (0.75, 1.75)
    aspect: float = 1.2
    rotation_deg: float = 6.0
    color: float = 0.4

    def __post_init__(self) -> None:
        if not 0 <= self.flip <= 1:
            raise UsageError(f"flip is a probability from 0 to 1, got {self.flip}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise UsageError(f"scale is (smallest, largest), both positive, got {self.scale}")
        if self.aspect < 1 or self.rotation_deg < 0 or self.color < 0:
            raise UsageError("aspect is at least 1, rotation_deg and color at least 0")


def crop(
    sample: Sample,
    letterbox: Letterbox,
    size: tuple[int, int],
    how: Augmentation,
    rng: np.random.Generator,
    inside: tuple[int, int] | None = None,
) -> tuple[UInt8, UInt8]:
    """One augmented crop: frame uint8 [H, W, channels] and mask uint8 [H, W] of `size` (H, W).

    Pixels outside the frame are PADDING in the crop and IGNORE in its mask. Frames of 16 bits are warped, then
    levelled, as they are fitted for inference; then the colours change.
    inside: (row, column) of a pixel of the frame that the crop must show.
    """
    frame, mask = sample.frame, sample.mask
    scale = float(np.exp(rng.uniform(*np.log(how.scale))))
    stretch = float(how.aspect ** rng.uniform(-0.5, 0.5))
    matrix = _warp(letterbox, size, (scale * stretch, scale / stretch), how, rng, inside)
    while abs(np.linalg.det(matrix[:2, :2])) < 0.25:  # bilinear sampling would skip pixels: average them first
        frame = _planes(cv2.resize(frame, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        factors = mask.shape[1] / frame.shape[1], mask.shape[0] / frame.shape[0]
        mask = np.asarray(cv2.resize(mask, frame.shape[1::-1], interpolation=cv2.INTER_NEAREST), dtype=np.uint8)
        matrix = matrix @ np.diag([*factors, 1.0])
    # warpAffine puts pixel centres at whole numbers, the matrix at halves.
    affine = (_shift(-0.5, -0.5) @ matrix @ _shift(0.5, 0.5))[:2]
    shape = (size[1], size[0])
    padding = _padding(letterbox)
    warped = _planes(cv2.warpAffine(frame, affine, shape, flags=cv2.INTER_LINEAR, borderValue=padding))
    labels = cv2.warpAffine(mask, affine, shape, flags=cv2.INTER_NEAREST, borderValue=(IGNORE,))
    return recolor(levelled(warped, letterbox.levels), how.color, rng), np.asarray(labels, np.uint8)


def recolor(frame: UInt8, strength: float, rng: np.random.Generator) -> UInt8:
    """Change saturation, then brightness, contrast, gamma and the balance of the channels, with one table for each.

    A grey frame has no saturation and no balance; a fourth channel changes on its own.
    """
    if strength == 0:
        return frame
    if frame.shape[2] == 4:
        parts = frame[..., :3], frame[..., 3:]
        return np.concatenate([recolor(np.ascontiguousarray(part), strength, rng) for part in parts], axis=2)
    gamma = float(np.exp(strength * rng.uniform(-0.5, 0.5)))
    contrast = float(np.exp(strength * rng.uniform(-0.3, 0.3)))
    brightness = strength * rng.uniform(-0.15, 0.15)
    level = np.linspace(0, 1, 256)[:, None] ** gamma
    if frame.shape[2] == 3:
        level = level * np.exp(strength * rng.uniform(-0.12, 0.12, 3))
        saturation = float(np.clip(1 + strength * rng.uniform(-0.6, 0.4), 0, 2))
        grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        frame = np.asarray(cv2.addWeighted(frame, saturation, grey, 1 - saturation, 0), np.uint8)
    table = np.clip(255 * ((level - 0.5) * contrast + 0.5 + brightness), 0, 255).astype(np.uint8)
    return np.asarray(_planes(cv2.LUT(frame, table.reshape(1, 256, -1))), dtype=np.uint8)


def _padding(letterbox: Letterbox) -> tuple[float, ...]:
    """The value of each channel outside the frame, before levels make it PADDING; within 1 where levels are narrow."""
    if not letterbox.levels:
        return (PADDING,) * letterbox.pixels.channels
    return tuple(round(low + (high - low) * PADDING / 255) for low, high in letterbox.levels)


def _planes(image: Any) -> Pixels:
    """OpenCV's image as [h, w, channels]: it drops the last dimension of grey."""
    return np.asarray(image if image.ndim == 3 else image[..., None])


def _warp(
    letterbox: Letterbox,
    size: tuple[int, int],
    scale: tuple[float, float],
    how: Augmentation,
    rng: np.random.Generator,
    inside: tuple[int, int] | None,
) -> Matrix:
    """From a frame's coordinates to the crop's: letterboxed, turned, scaled and flipped about the middle, moved."""
    rows, columns = letterbox.input_size
    frame_rows, frame_columns = letterbox.frame_size
    fit = _shift(letterbox.left, letterbox.top) @ np.diag(
        [letterbox.width / frame_columns, letterbox.height / frame_rows, 1.0]
    )
    angle = np.deg2rad(rng.uniform(-how.rotation_deg, how.rotation_deg))
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    mirror = -1.0 if rng.random() < how.flip else 1.0
    grow = np.diag([mirror * scale[0], scale[1], 1.0])
    about_middle = grow @ turn @ _shift(-columns / 2, -rows / 2) @ fit
    # A crop smaller than the scaled frame lies anywhere in it; a larger crop has the frame anywhere in it.
    spare = (scale[0] * columns - size[1], scale[1] * rows - size[0])
    move = [rng.uniform(-0.5, 0.5) for _ in spare]
    if inside is None:
        move = [part * s for part, s in zip(move, spare, strict=True)]
    else:  # the pixel anywhere in the crop but near its edges, as far as the crop stays in the frame
        place = about_middle @ (inside[1] + 0.5, inside[0] + 0.5, 1.0)
        wanted = (_AIMED * part * side - p for part, side, p in zip(move, (size[1], size[0]), place, strict=False))
        move = [float(np.clip(w, -abs(s) / 2, abs(s) / 2)) for w, s in zip(wanted, spare, strict=True)]
    middle = _shift(size[1] / 2 + move[0], size[0] / 2 + move[1])
    return np.asarray(middle @ about_middle, dtype=np.float64)


def _shift(x: float, y: float) -> Matrix:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])
