"""Frames under bad conditions: as bad as they say, and the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.studies.familiarity.corruptions import CONDITIONS, SEVERITIES, corrupted
from edgeunet import samples
from edgeunet.data.dataset import DatasetFolder
from edgeunet.imaging.images import read_image
from edgeunet.imaging.letterbox import UInt8


@pytest.fixture(scope="module")
def frame() -> UInt8:
    frames = [
        np.asarray(read_image(path), np.uint8) for path in DatasetFolder.open(samples.DATASET).image_paths("train")
    ]
    return max(frames, key=lambda frame: float(frame.mean()))[::2, ::2]


def sharpness(frame: UInt8) -> float:
    return float(np.abs(np.diff(frame.astype(float), axis=1)).mean())


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_last_severity_is_worse_than_the_first(name: str, frame: UInt8) -> None:
    weak, *_, strong = (np.abs(corrupted(frame, name, n) - frame.astype(float)).mean() for n in SEVERITIES)
    assert 0 < weak < strong
    again = corrupted(frame, name, 3)
    assert again.shape == frame.shape
    assert again.dtype == np.uint8
    assert np.array_equal(again, corrupted(frame, name, 3))


def test_they_are_what_their_names_say(frame: UInt8) -> None:
    dark, fog, blurred, noisy = (corrupted(frame, name, 3).astype(float) for name in ("dark", "fog", "blur", "noise"))
    assert dark.mean() < frame.mean() - 20
    assert np.ptp(np.quantile(fog, [0.05, 0.95])) < np.ptp(np.quantile(frame, [0.05, 0.95]))
    assert sharpness(blurred.astype(np.uint8)) < 0.7 * sharpness(frame) < sharpness(noisy.astype(np.uint8))
    assert abs(blurred.mean() - frame.mean()) < 2
    streaks = corrupted(frame, "rain", 5).astype(float) - frame
    assert streaks.min() >= 0, "drops are bright"
    assert np.abs(np.diff(streaks, axis=0)).mean() < np.abs(np.diff(streaks, axis=1)).mean(), "and fall"
