from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeunet.imaging.letterbox import UInt8
from edgeunet.imaging.tiling import Tiling, fitted_tiles
from tests.models import toy_spec

RNG = np.random.default_rng(0)
TILINGS = [Tiling((16, 24), (1, 1)), Tiling((16, 24), (2, 3)), Tiling((33, 40), (3, 1)), Tiling((7, 7), (2, 2))]


def canvas_of(tiling: Tiling) -> UInt8:
    spec = replace(toy_spec(tiling.size), tiles=tiling.counts)
    return RNG.integers(0, 3, spec.fitted_size, dtype=np.uint8)


def distance(tiling: Tiling, index: int, canvas: UInt8) -> NDArray[np.int64]:
    """Of every pixel of the canvas from the nearest edge of a tile that is not the canvas' own; -1 outside the tile."""
    places = np.arange(canvas.size, dtype=np.int32).reshape(canvas.shape)
    rows, columns = np.divmod(tiling.cut(places)[index], canvas.shape[1])  # type: ignore[arg-type]
    top, left, bottom, right = rows.min(), columns.min(), rows.max(), columns.max()
    far = np.full(rows.shape, 10**6)
    for is_shared, steps in (
        (top > 0, rows - top),
        (left > 0, columns - left),
        (bottom < canvas.shape[0] - 1, bottom - rows),
        (right < canvas.shape[1] - 1, right - columns),
    ):
        far = np.minimum(far, steps) if is_shared else far
    found = np.full(canvas.shape, -1)
    found[rows, columns] = far
    return found


@pytest.mark.parametrize("tiling", TILINGS)
def test_what_is_cut_is_joined_again(tiling: Tiling) -> None:
    canvas = canvas_of(tiling)
    tiles = tiling.cut(canvas)
    assert [t.shape for t in tiles] == [tiling.size] * (tiling.counts[0] * tiling.counts[1])
    assert np.array_equal(tiling.join(tiles), canvas)


@pytest.mark.parametrize("tiling", TILINGS)
def test_a_pixel_is_from_the_tile_in_which_it_lies_farthest_from_an_edge(tiling: Tiling) -> None:
    canvas = canvas_of(tiling)
    tiles = tiling.cut(canvas)
    owner = tiling.join([np.full(tiling.size, index, np.uint8) for index in range(len(tiles))])
    distances = np.stack([distance(tiling, index, canvas) for index in range(len(tiles))])
    chosen = np.take_along_axis(distances, owner[None].astype(np.int64), 0)[0]
    assert (chosen == distances.max(0)).all()


@pytest.mark.parametrize("tiling", TILINGS)
def test_logits_are_blended_without_a_seam(tiling: Tiling) -> None:
    """Two tiles that disagree evenly: the class changes once, in the middle of what they share."""
    height, width = canvas_of(tiling).shape
    field = RNG.normal(size=(3, height, width)).astype(np.float32)
    tiles = [np.stack(parts) for parts in zip(*(tiling.cut(f) for f in field), strict=True)]
    assert np.array_equal(tiling.blend(tiles), field.argmax(0))
    one = [tile[:1] for tile in tiles]
    assert np.array_equal(tiling.blend(one), field[0] > 0)


def test_a_logit_counts_for_more_in_the_middle_of_its_tile() -> None:
    tiling = Tiling((16, 16), (1, 2))  # columns 14 and 15 are shared
    left, right = np.full((1, 16, 16), -1, np.float32), np.full((1, 16, 16), 2, np.float32)
    # Weights of the right tile there: 1/4 and 3/4, so the means are -1/4 and 5/4.
    assert tiling.blend([left, right])[0].tolist() == [0] * 15 + [1] * 15


def test_a_frames_tiles_are_parts_of_the_fitted_frame() -> None:
    spec = replace(toy_spec((16, 24)), tiles=(2, 2))
    frame = RNG.integers(0, 256, (*spec.fitted_size, 3), dtype=np.uint8)
    tiles = fitted_tiles(frame, spec)
    assert [t.shape for t in tiles] == [(1, 16, 24, 3)] * 4
    assert np.array_equal(tiles[3][0], frame[14:, 21:])
    (whole,) = fitted_tiles(frame, toy_spec(spec.fitted_size))
    assert np.array_equal(whole[0], frame)
