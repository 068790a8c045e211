from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgeunet.errors import UsageError
from edgeunet.imaging.drawing import class_colors
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.overlay import Overlay
from tests.models import toy_spec

FRAME = (540, 960)


def result(mask_index: int) -> tuple[UInt8, Letterbox]:
    """The whole picture is one class; the bars of the letterbox are another."""
    spec = toy_spec((64, 64))
    letterbox = Letterbox.of(FRAME, spec)
    mask = np.full(spec.input_size, 2, np.uint8)
    mask[letterbox.top : letterbox.top + letterbox.height] = mask_index
    return mask, letterbox


def test_colours_are_blended_over_the_whole_frame_in_bgr() -> None:
    overlay = Overlay(toy_spec((64, 64)), 0.5)
    pixels = np.full((*FRAME, 3), 100, np.uint8)
    drawn = overlay.draw(pixels, *result(0))  # road, red
    assert (pixels == 100).all()  # other threads may look at the frame
    right = drawn[:, FRAME[1] // 2 :]
    assert np.abs(right.astype(int) - (50, 50, 178)).max() <= 1


def test_mask_edge_lands_where_the_frame_has_it() -> None:
    spec = toy_spec((64, 64))
    letterbox = Letterbox.of(FRAME, spec)
    mask = np.zeros(spec.input_size, np.uint8)
    mask[:, 32:] = 1
    pixels = np.zeros((*FRAME, 3), np.uint8)
    drawn = Overlay(spec, 1.0).draw(pixels, mask, letterbox)
    bottom = drawn[-1]
    assert (bottom[:480] == (0, 0, 255)).all()
    assert (bottom[480:] == (0, 255, 0)).all()


@pytest.mark.parametrize("frame", [(540, 960), (97, 131), (40, 200), (20, 30)])
def test_every_pixel_has_the_colour_of_its_class_at_the_frame_s_size(frame: tuple[int, int]) -> None:
    spec = toy_spec((64, 64))
    mask = np.random.default_rng(0).integers(0, 3, spec.input_size, np.uint8)
    letterbox = Letterbox.of(frame, spec)
    drawn = Overlay(spec, 1.0).draw(np.zeros((*frame, 3), np.uint8), mask, letterbox)
    expected = class_colors(spec.classes)[letterbox.restore_mask(mask), 0]
    right = frame[1] // 2  # beside the legend
    assert (drawn[:, right:] == expected[:, right:]).all()


def test_legend_shows_every_class_colour_and_the_lines_of_text() -> None:
    overlay = Overlay(toy_spec((64, 64)), 0.0)
    pixels = np.full((*FRAME, 3), 100, np.uint8)
    without = overlay.draw(pixels, *result(0))
    for color in ((0, 0, 255), (0, 255, 0), (255, 0, 0)):
        assert (without == color).all(axis=2).sum() > 100  # a swatch
    legend = (without != 100).any(axis=2)
    with_text = overlay.draw(pixels, *result(0), ["31.4 fps", "latency 42 ms"])
    rows_of_legend = np.flatnonzero(legend.any(axis=1))
    rows_with_text = np.flatnonzero((with_text != 100).any(axis=2).any(axis=1))
    assert len(rows_with_text) > len(rows_of_legend) + 30
    assert (with_text[rows_of_legend[-1] : rows_with_text[-1]] > 200).all(axis=2).sum() > 100  # letters


@pytest.mark.parametrize("frame", [(8, 8), (24, 32), (97, 131), (1080, 1920)])
def test_any_frame_size_is_drawn_on(frame: tuple[int, int]) -> None:
    spec = toy_spec()
    overlay = Overlay(spec, 0.5)

    def result_of(size: tuple[int, int]) -> tuple[UInt8, Letterbox]:
        return np.zeros(spec.input_size, np.uint8), Letterbox.of(size, spec)

    overlay.draw(np.zeros((50, 60, 3), np.uint8), *result_of((50, 60)))  # a camera may change its size
    drawn = overlay.draw(np.zeros((*frame, 3), np.uint8), *result_of(frame), ["1 fps"])
    assert drawn.shape == (*frame, 3)
    assert drawn.any()


def test_masks_of_several_sizes_are_drawn_alike() -> None:
    overlay = Overlay(toy_spec((64, 64)), 1.0)
    pixels = np.zeros((*FRAME, 3), np.uint8)
    for size, color in (((64, 64), 0), ((32, 96), 1), ((128, 64), 2), ((64, 64), 1)):
        mask = np.full(size, color, np.uint8)
        drawn = overlay.draw(pixels, mask, Letterbox.of(FRAME, toy_spec(size)))
        assert (drawn[:, FRAME[1] // 2 :] == class_colors(toy_spec().classes)[color, 0]).all()


def test_opacity_out_of_range_is_refused() -> None:
    with pytest.raises(UsageError, match=r"0 to 1, got 1\.5"):
        Overlay(toy_spec(), 1.5)


def test_only_the_picture_inside_the_letterbox_is_drawn() -> None:
    pixels = np.zeros((*FRAME, 3), np.uint8)
    drawn = Overlay(toy_spec((64, 64)), 1.0).draw(pixels, *result(1))
    blue = cv2.inRange(drawn[:, FRAME[1] // 2 :], np.array((200, 0, 0)), np.array((255, 50, 50)))
    assert not blue.any()
