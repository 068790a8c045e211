"""The pictures, decoded again, show what they say."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from edgeunet.evaluation.pictures import COLORS, LONGEST, Picture, of_class, of_classes, of_frame, of_wrong
from edgeunet.imaging.letterbox import UInt8
from edgeunet.spec import IGNORE
from tests.models import COLORS as CLASS_COLORS
from tests.models import toy_spec

GREY = np.full((40, 60, 3), 128, np.uint8)


def decoded(picture: Picture) -> UInt8:
    """uint8 [h, w, 3], red first."""
    kind, _, data = picture.address.partition(";base64,")
    assert kind in ("data:image/png", "data:image/jpeg")
    image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert (picture.height, picture.width) == image.shape[:2]
    return np.asarray(image[:, :, ::-1], np.uint8)


def test_classes_have_their_colors_and_ignored_pixels_stripes() -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[:, 20:40] = 2
    mask[:, 40:] = IGNORE
    shown = decoded(of_classes(mask, toy_spec()))
    assert (shown[:, :20] == CLASS_COLORS["road"]).all()
    assert (shown[:, 20:40] == CLASS_COLORS["sky"]).all()
    assert set(np.unique(shown[:, 40:])) == {70, 120}


def test_wrong_pixels_are_painted_and_ignored_ones_are_not() -> None:
    label, mask = np.zeros((2, 40, 60), np.uint8)
    mask[:20, :40] = 1
    label[:, 30:] = IGNORE
    shown = decoded(of_wrong(GREY, label, mask)).astype(int)
    red = shown[:, :, 0] - shown[:, :, 1]
    assert red[2:18, 2:28].min() > 100
    assert np.abs(red[22:, :]).max() < 40
    assert np.abs(red[:, 34:]).max() < 40


def test_of_a_class_found_missed_and_claimed_are_told_apart() -> None:
    label, mask = np.zeros((2, 48, 96), np.uint8)
    label[:, :64] = 1
    mask[:, 32:] = 1
    shown = decoded(of_class(np.full((48, 96, 3), 128, np.uint8), label, mask, 1)).astype(int)
    for name, column in (("missed", 16), ("found", 48), ("claimed", 80)):
        distance = np.abs(shown[24, column] - COLORS[name]).max()
        assert distance < 40, name


@pytest.mark.parametrize("size", [(1200, 2000), (2000, 1200), (3, 2000)])
def test_large_frames_are_reduced_in_their_shape_and_thin_faults_stay(size: tuple[int, int]) -> None:
    frame = np.full((*size, 3), 100, np.uint8)
    picture = of_frame(frame)
    assert max(decoded(picture).shape) == LONGEST
    assert picture.width / picture.height == pytest.approx(size[1] / size[0], rel=0.01) or picture.height == 1
    label, mask = np.zeros((2, *size), np.uint8)
    mask[size[0] // 2] = 1  # one row
    shown = decoded(of_wrong(frame, label, mask)).astype(int)
    assert (shown[:, :, 0] - shown[:, :, 1]).max() > 30


def test_what_is_ignored_does_not_tint_its_neighbours_when_it_is_reduced() -> None:
    label, mask = np.zeros((2, 1200, 2000), np.uint8)
    label[:, ::2], mask[:, ::2] = IGNORE, 1
    shown = decoded(of_wrong(np.full((1200, 2000, 3), 100, np.uint8), label, mask)).astype(int)
    assert np.abs(shown[:, :, 0] - shown[:, :, 1]).max() < 10
