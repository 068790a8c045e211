"""Shapes drawn over each other."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from edgeunet.data.convert.labels.labelled_frame import UNKNOWN
from edgeunet.data.convert.labels.shapes import Bitmap, LeftOut, Polygon, Shape, drawn
from edgeunet.errors import ImageError


def square(left: float, top: float, right: float, bottom: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def box(array: object) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of what is not 0."""
    rows, columns = np.nonzero(np.asarray(array))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_the_later_shape_is_on_top_and_an_outline_belongs_to_it() -> None:
    found = drawn([Polygon(1, [square(1, 1, 6, 6)]), Polygon(2, [square(4, 4, 8, 8)])], (10, 12), 0)
    assert box(found.indices == 2) == (4, 4, 8, 8)
    assert box(found.indices == 1) == (1, 1, 6, 6)
    assert found.indices.shape == (10, 12)
    assert not found.empty


def test_coordinates_between_pixels_lie_as_labelme_draws_them() -> None:
    found = drawn([Polygon(1, [square(3.9, 2.6, 8.9, 7.6)])], (12, 12), 0)
    assert box(found.indices) == (3, 2, 8, 7)
    corners = np.random.default_rng(5).uniform(5, 95, (40, 3, 2))
    shares = []
    for triangle in corners:
        theirs = Image.new("1", (100, 100))
        ImageDraw.Draw(theirs).polygon([(float(x), float(y)) for x, y in triangle], fill=1, outline=1)
        wanted, ours = np.asarray(theirs), drawn([Polygon(1, [triangle])], (100, 100), 0).indices == 1
        shares.append((wanted & ours).sum() / (wanted | ours).sum())
    assert np.median(shares) > 0.96


def test_parts_that_overlap_make_no_hole_and_holes_show_what_is_below() -> None:
    parts = Polygon(2, [square(0, 0, 5, 5), square(3, 3, 8, 8)])
    assert drawn([parts], (10, 10), 0).indices[4, 4] == 2
    holed = Polygon(2, [square(0, 0, 8, 8)], [square(2, 2, 4, 4)])
    found = drawn([Polygon(1, [square(0, 0, 3, 9)]), holed], (10, 10), 0).indices
    assert (found[3, 3], found[3, 4], found[6, 6]) == (1, 0, 2)


def test_what_is_outside_is_cut_off() -> None:
    found = drawn([Polygon(1, [square(-50, 2, 3, 500)]), Bitmap(2, 8, -2, np.ones((4, 9), bool))], (10, 12), 0)
    assert box(found.indices == 1) == (0, 2, 3, 9)
    assert box(found.indices == 2) == (8, 0, 11, 1)
    holed = Polygon(3, [square(-50, -50, 3, 500)], [square(-9, -9, 1, 1)])
    assert box(drawn([holed], (10, 12), 0).indices[2:] == 3) == (0, 0, 3, 7)


def test_what_has_no_pixel_is_counted() -> None:
    shapes: list[Shape] = [
        Polygon(1, [square(20, 20, 30, 30)]),
        Polygon(1, [np.empty((0, 2))]),
        Polygon(1, [square(1, 1, 2, 2)[:2]]),
        Bitmap(1, 50, 50, np.ones((4, 4), bool)),
        Bitmap(1, 0, 0, np.zeros((4, 4), bool)),
        LeftOut("point(s)"),
    ]
    found = drawn(shapes, (10, 12), 7)
    assert found.left_out == {
        "shape(s) outside of the frame": 2,
        "polygon(s) with fewer than 3 points": 2,
        "mask(s) without a pixel": 1,
        "point(s)": 1,
    }
    assert (found.indices == 7).all()
    assert drawn([], (10, 12), 7).empty


def test_labels_that_are_not_in_the_list_are_counted_in_pixels_that_can_be_seen() -> None:
    shapes = [
        Polygon("bus", [square(0, 0, 9, 4)]),
        Polygon("tram", [square(0, 0, 1, 1)]),
        Polygon(1, [square(0, 0, 9, 2)]),
    ]
    found = drawn(shapes, (10, 10), 0)
    assert found.unknown == {"bus": 20}
    assert (found.indices == UNKNOWN).sum() == 20


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e7])
def test_coordinates_that_cannot_be_meant_are_refused(bad: float) -> None:
    for polygon in (Polygon(1, [square(0, 0, bad, 4)]), Polygon(1, [square(0, 0, 4, 4)], [square(0, 0, bad, 1)])):
        with pytest.raises(ImageError, match="coordinate"):
            drawn([polygon], (10, 10), 0)
