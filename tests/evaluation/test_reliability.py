"""The expected calibration error, against figures counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgeunet.evaluation.reliability import Reliability
from edgeunet.spec import IGNORE


def test_the_error_is_that_of_the_definition() -> None:
    reliability = Reliability()
    label = np.array([[0, 0, 0, 0, 1, 1, 1, 1, IGNORE]], np.uint8)
    mask = np.array([[0, 0, 0, 1, 1, 0, 0, 0, 0]], np.uint8)
    confidence = np.array([[204] * 4 + [102] * 4 + [255]], np.uint8)
    reliability.add(label, mask, confidence)
    # 0.8 and 75 % right, half of the pixels; 0.4 and 25 % right, the other half.
    assert reliability.error == pytest.approx(0.5 * 0.05 + 0.5 * 0.15)
    reliability.add(label, mask, confidence)
    assert reliability.error == pytest.approx(0.1), "of both frames together"


def test_confidence_that_is_as_often_right_as_it_says_has_no_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.integers(0, 256, (500, 500), np.uint8)
    label = np.asarray(rng.random((500, 500)) > confidence / 255, np.uint8)
    reliability = Reliability()
    reliability.add(label, np.zeros_like(label), confidence)
    assert reliability.error < 0.01
    sure = Reliability()
    sure.add(label, np.zeros_like(label), np.full_like(label, 255))
    assert sure.error == pytest.approx(0.5, abs=0.01)


def test_without_a_labelled_pixel_there_is_none() -> None:
    assert math.isnan(Reliability().error)
