"""Frames under bad conditions, in five strengths, as Hendrycks and Dietterich define them.

Source: "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR 2019 (arXiv:1903.12261),
with the parameters that its ImageNet-C has. Two are not theirs: `dark` takes from the brightness what theirs adds, and
`rain` is their snow with thin, long streaks and without the whitening.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.imaging.letterbox import UInt8

SEVERITIES = (1, 2, 3, 4, 5)
Unit = NDArray[np.float64]
"""A frame [h, w, 3] in BGR order, 0 to 1; or a plane [h, w]."""


def corrupted(frame: UInt8, name: str, severity: int, seed: int = 0) -> UInt8:
    """A frame [h, w, 3] under a condition of CONDITIONS, of severity 1 to 5; the same seed gives the same frame."""
    changed = CONDITIONS[name](frame / 255, severity - 1, np.random.default_rng(seed))
    return np.asarray(np.rint(np.clip(changed, 0, 1) * 255), dtype=np.uint8)


def _dark(frame: Unit, level: int, rng: np.random.Generator) -> Unit:
    hsv = cv2.cvtColor(frame.astype(np.float32), cv2.COLOR_BGR2HSV)
    hsv[..., 2] = np.clip(hsv[..., 2] - (0.1, 0.2, 0.3, 0.4, 0.5)[level], 0, 1)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.float64)


def _fog(frame: Unit, level: int, rng: np.random.Generator) -> Unit:
    strength, decay = ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4))[level]
    height, width = frame.shape[:2]
    side = 1 << (max(height, width) - 1).bit_length()
    brightest = frame.max()
    clouds = strength * _plasma(side, decay, rng)[:height, :width, None]
    return np.asarray((frame + clouds) * brightest / (brightest + strength))


def _plasma(side: int, decay: float, rng: np.random.Generator) -> Unit:
    """Clouds [side, side], 0 to 1, by the diamond-square algorithm; side is a power of two, and edges wrap around."""
    clouds = np.zeros((side, side))
    step, wobble = side, 100.0

    def wobbled(total: Unit) -> Unit:
        return total / 4 + wobble * rng.uniform(-1, 1, total.shape)

    while step > 1:
        half = step // 2
        corners = clouds[::step, ::step]
        squares = corners + np.roll(corners, -1, 0)
        clouds[half::step, half::step] = wobbled(squares + np.roll(squares, -1, 1))
        centres = clouds[half::step, half::step]
        across, down = centres + np.roll(centres, 1, 0), centres + np.roll(centres, 1, 1)
        clouds[::step, half::step] = wobbled(across + corners + np.roll(corners, -1, 1))
        clouds[half::step, ::step] = wobbled(down + corners + np.roll(corners, -1, 0))
        step, wobble = half, wobble / decay
    clouds -= clouds.min()
    return np.asarray(clouds / clouds.max())


def _rain(frame: Unit, level: int, rng: np.random.Generator) -> Unit:
    threshold, length, shine = ((2.6, 9, 0.6), (2.5, 11, 0.7), (2.4, 13, 0.8), (2.3, 15, 0.9), (2.2, 17, 1.0))[level]
    drops = rng.normal(0, 1, frame.shape[:2])
    streaks = _smeared(np.where(drops > threshold, 1.0, 0.0), length, angle=rng.uniform(70, 110))
    return frame + shine * np.clip(streaks * length / 3, 0, 0.6)[..., None]


def _smeared(plane: Unit, length: int, angle: float) -> Unit:
    """Moved by `length` pixels in a direction, in degrees from the horizontal."""
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1
    turn = cv2.getRotationMatrix2D((length // 2, length // 2), angle, 1)
    kernel = np.asarray(cv2.warpAffine(kernel, turn, (length, length)), np.float32)
    return np.asarray(cv2.filter2D(plane, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT), np.float64)


def _defocus_blur(frame: Unit, level: int, rng: np.random.Generator) -> Unit:
    radius, soft = ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))[level]
    around = np.arange(-max(8, radius), max(8, radius) + 1)
    disk = ((around[:, None] ** 2 + around**2) <= radius**2).astype(np.float32)
    side = 3 if radius <= 8 else 5
    kernel = cv2.GaussianBlur(disk / disk.sum(), (side, side), soft)
    return np.asarray(cv2.filter2D(frame, -1, kernel), np.float64)


def _noise(frame: Unit, level: int, rng: np.random.Generator) -> Unit:
    return np.asarray(frame + rng.normal(0, (0.08, 0.12, 0.18, 0.26, 0.38)[level], frame.shape), np.float64)


CONDITIONS: dict[str, Callable[[Unit, int, np.random.Generator], Unit]] = {
    "dark": _dark,
    "fog": _fog,
    "rain": _rain,
    "blur": _defocus_blur,
    "noise": _noise,
}
