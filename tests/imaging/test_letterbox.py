from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from edgeunet.errors import FrameError
from edgeunet.imaging.letterbox import PADDING, Letterbox
from edgeunet.imaging.pixels import check_frame
from edgeunet.spec import BGR, IGNORE
from tests.models import toy_spec

RNG = np.random.default_rng(0)


def test_a_frame_of_the_right_size_is_left_alone() -> None:
    frame = RNG.integers(0, 255, (32, 48, 3), dtype=np.uint8)
    assert np.array_equal(Letterbox.of((32, 48), toy_spec()).fit(frame), frame)


def test_letterbox_keeps_the_shape_and_pads() -> None:
    letterbox = Letterbox.of((100, 200), toy_spec())  # into 32×48
    assert (letterbox.top, letterbox.left, letterbox.height, letterbox.width) == (4, 0, 24, 48)
    out = letterbox.fit(np.full((100, 200, 3), 7, np.uint8))
    assert (out[4:28] == 7).all()
    assert (out[:4] == PADDING).all()
    assert (out[28:] == PADDING).all()


def test_stretch_fills_the_input() -> None:
    letterbox = Letterbox.of((100, 200), replace(toy_spec(), fit="stretch"))
    assert letterbox.covers
    assert (letterbox.fit(np.full((100, 200, 3), 7, np.uint8)) == 7).all()


def test_resizing_is_opencvs_into_the_given_buffer() -> None:
    frame = RNG.integers(0, 255, (50, 100, 3), dtype=np.uint8)
    out = np.zeros((32, 48, 3), np.uint8)
    letterbox = Letterbox.of((50, 100), toy_spec())
    assert letterbox.fit(frame, out=out) is out
    expected = cv2.resize(frame, (48, 24), interpolation=cv2.INTER_AREA)
    assert np.array_equal(out[4:28], expected)


@pytest.mark.parametrize("size", [(96, 192), (144, 288), (120, 240), (98, 194), (100, 200), (768, 1536)])
def test_a_frame_that_shrinks_a_lot_is_the_average_of_its_area_within_1(size: tuple[int, int]) -> None:
    frame = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    letterbox = Letterbox.of(size, toy_spec((24, 48)))
    exact = cv2.resize(frame.astype(np.float64), (letterbox.width, letterbox.height), interpolation=cv2.INTER_AREA)
    assert np.abs(letterbox.inside(letterbox.fit(frame)) - exact).max() <= 1


def test_a_frame_that_grows_in_one_direction_is_bilinear() -> None:
    """OpenCV's area averaging takes two pixels there as well, and in float32 sometimes the wrong ones."""
    frame = RNG.integers(0, 256, (300, 20, 3), dtype=np.uint8)
    fitted = Letterbox.of((300, 20), replace(toy_spec(), fit="stretch")).fit(frame)
    assert np.array_equal(fitted, cv2.resize(frame, (48, 32), interpolation=cv2.INTER_LINEAR))


def test_a_reused_buffer_keeps_nothing_of_the_frame_before() -> None:
    out = np.full((32, 48, 3), 255, np.uint8)
    Letterbox.of((100, 200), toy_spec()).fit(np.zeros((100, 200, 3), np.uint8), out=out)
    assert not (out == 255).any()


def test_a_mask_survives_there_and_back() -> None:
    mask = np.zeros((96, 192), np.uint8)
    mask[32:64, 48:96] = 2
    letterbox = Letterbox.of((96, 192), toy_spec((24, 48)))
    small = np.full((24, 48), IGNORE, np.uint8)
    letterbox.inside(small)[:] = cv2.resize(mask, (48, 24), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(letterbox.restore_mask(small), mask)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3)),
        None,
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_what_is_no_frame_is_refused(frame: object) -> None:
    with pytest.raises(FrameError):
        check_frame(frame, BGR)


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(FrameError, match="expected a frame"):
        Letterbox.of((100, 200), toy_spec()).fit(np.zeros((100, 100, 3), np.uint8))
