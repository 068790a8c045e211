"""Frames of other cameras: which ones a model takes, how 16 bits become 8, and what people see of them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from edgeunet.errors import FrameError
from edgeunet.imaging.letterbox import PADDING, Letterbox
from edgeunet.imaging.pixels import (
    Pixels,
    blank_frame,
    check_frame,
    imitated,
    levelled,
    levels_of,
    levels_of_counts,
    picture_of,
)
from edgeunet.spec import BGR, ModelSpec, PixelFormat
from tests.models import toy_spec

RNG = np.random.default_rng(0)
GREY, FOUR, THERMAL = PixelFormat(1), PixelFormat(4), PixelFormat(1, deep=True)


def spec_of(pixels: PixelFormat, size: tuple[int, int] = (24, 48)) -> ModelSpec:
    mean, std = ModelSpec.usual_scale(pixels)
    levels = tuple((1000.0 * (k + 1), 5000.0 + 1000 * k) for k in range(pixels.channels)) if pixels.deep else ()
    return replace(toy_spec(size), channels=pixels.channels, mean=mean, std=std, levels=levels)


def frame_of(pixels: PixelFormat, size: tuple[int, int] = (60, 96)) -> Pixels:
    high = 2**13 if pixels.deep else 256
    return RNG.integers(0, high, (*size, pixels.channels)).astype(pixels.dtype)


@pytest.mark.parametrize("wanted", [BGR, GREY, FOUR, THERMAL, PixelFormat(3, deep=True)])
def test_a_frame_of_the_wanted_pixels_is_the_same_array(wanted: PixelFormat) -> None:
    frame = frame_of(wanted)
    assert check_frame(frame, wanted) is frame


@pytest.mark.parametrize("deep", [False, True])
def test_colours_become_grey_and_grey_is_repeated(deep: bool) -> None:
    color = frame_of(PixelFormat(3, deep=deep))
    grey = check_frame(color, PixelFormat(1, deep=deep))
    assert (grey.shape, grey.dtype) == ((60, 96, 1), color.dtype)
    exact = color.astype(float) @ (0.114, 0.587, 0.299)
    assert np.abs(grey[..., 0] - exact).max() <= (1 if deep else 0.51)  # its weights have 14 bits
    assert np.array_equal(check_frame(grey, PixelFormat(3, deep=deep)), np.repeat(grey, 3, axis=2))


@pytest.mark.parametrize(
    ("frame", "wanted"),
    [
        (frame_of(BGR), THERMAL),
        (frame_of(THERMAL), GREY),
        (frame_of(BGR), FOUR),
        (frame_of(GREY), FOUR),
        (frame_of(FOUR), BGR),
        (frame_of(GREY)[..., 0], GREY),
        (frame_of(THERMAL).astype(np.int32), THERMAL),
        (np.zeros((0, 4, 1), np.uint8), GREY),
    ],
)
def test_other_frames_are_refused_in_one_line(frame: Pixels, wanted: PixelFormat) -> None:
    with pytest.raises(FrameError) as caught:
        check_frame(frame, wanted)
    assert "\n" not in str(caught.value)
    if frame.size:
        assert str(wanted) in str(caught.value)
        assert f"{frame.dtype} {list(frame.shape)}" in str(caught.value)


def test_low_becomes_0_and_high_255_rounded_half_up() -> None:
    values = np.array([0, 999, 1000, 1001, 1510, 1509, 1511, 5000, 65535], np.uint16).reshape(1, -1, 1)
    # 255 steps over 510 values: each second value lies in the middle between two.
    assert levelled(values, ((1000, 1510),)).ravel().tolist() == [0, 0, 0, 1, 255, 255, 255, 255, 255]
    assert levelled(values, ((1000.5, 1001.5),)).ravel().tolist() == [0, 0, 0, 128, 255, 255, 255, 255, 255]


def test_each_channel_has_its_levels() -> None:
    frame = np.full((2, 3, 4), 2000, np.uint16)
    levels = ((0.0, 2000.0), (2000.0, 3000.0), (1000.0, 3000.0), (0.0, 4000.0))
    assert levelled(frame, levels)[0, 0].tolist() == [255, 0, 128, 128]


@pytest.mark.parametrize("pixels", [GREY, FOUR, THERMAL, PixelFormat(4, deep=True), PixelFormat(3, deep=True)])
@pytest.mark.parametrize("size", [(60, 96), (24, 48), (10, 96), (200, 16), (96, 192)])
def test_a_letterbox_resizes_then_levels(pixels: PixelFormat, size: tuple[int, int]) -> None:
    spec, frame = spec_of(pixels), frame_of(pixels, size)
    letterbox = Letterbox.of(size, spec)
    fitted = letterbox.fit(frame)
    assert (fitted.shape, str(fitted.dtype)) == ((24, 48, pixels.channels), "uint8")
    how = cv2.INTER_AREA if letterbox.shrinks else cv2.INTER_LINEAR
    for channel in range(pixels.channels):
        one = cv2.resize(frame[..., channel].astype(np.float64), (letterbox.width, letterbox.height), interpolation=how)
        if pixels.deep:
            low, high = spec.levels[channel]
            one = ((one - low) * (255 / (high - low))).clip(0, 255)
        assert np.abs(letterbox.inside(fitted)[..., channel] - one).max() <= 1.01
    bars = np.ones((24, 48), bool)
    letterbox.inside(bars)[:] = False
    assert (fitted[bars] == PADDING).all()


def test_a_hot_spot_is_not_clipped_before_it_is_averaged() -> None:
    """The reason for the order: levels first would make of a pixel far above them no more than white."""
    frame = np.full((96, 192, 1), 1000, np.uint16)
    frame[::4, ::4] = 65535
    fitted = Letterbox.of((96, 192), spec_of(THERMAL)).fit(frame)
    assert (fitted == 255).all()  # the mean of 16 pixels is 5033; that of levelled ones would be 16


def test_a_picture_is_what_the_levels_show() -> None:
    thermal = frame_of(THERMAL)
    picture = picture_of(thermal, ((1000.0, 5000.0),))
    assert np.array_equal(picture, np.repeat(levelled(thermal, ((1000.0, 5000.0),)), 3, axis=2))
    four, color = frame_of(FOUR), frame_of(BGR)
    assert np.array_equal(picture_of(four), four[..., :3])
    assert picture_of(color) is color
    assert np.ptp(picture_of(thermal)) == 255, "without levels its own"


def test_levels_leave_out_the_darkest_and_the_brightest() -> None:
    counts = np.zeros(2**16, np.int64)
    counts[[3, 100, 200, 60000]] = [4, 496, 496, 4]
    assert levels_of_counts(counts) == (100.0, 200.0)
    frame = np.repeat(np.arange(1000, 2000, dtype=np.uint16), 2).reshape(50, 40, 1)
    assert levels_of(frame) == ((1004.0, 1994.0),)


@pytest.mark.parametrize(
    ("values", "levels"), [({7: 1}, (7, 8)), ({65535: 9}, (65534, 65535)), ({5: 999, 9: 1}, (5, 9))]
)
def test_levels_are_never_empty(values: dict[int, int], levels: tuple[int, int]) -> None:
    counts = np.zeros(2**16, np.int64)
    counts[list(values)] = list(values.values())
    assert levels_of_counts(counts) == levels


@pytest.mark.parametrize("pixels", [BGR, GREY, FOUR, THERMAL, PixelFormat(4, deep=True)])
def test_frames_that_are_made_up_are_those_of_the_model(pixels: PixelFormat) -> None:
    spec = spec_of(pixels)
    ordinary = frame_of(BGR)
    for made in (blank_frame(spec), imitated(ordinary, spec)):
        assert check_frame(made, spec.pixels) is made
    fitted = Letterbox.of((60, 96), spec).fit(imitated(ordinary, spec))
    plain = Letterbox.of((60, 96), spec_of(GREY)).fit(ordinary)
    if pixels.channels != 3:
        assert np.abs(fitted[..., -1].astype(int) - plain[..., 0]).max() <= 1
