"""Run lengths, against COCO's own library."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as theirs

from edgeunet.data.convert.labels.run_lengths import mask_from_runs, unpacked_runs
from edgeunet.errors import ImageError


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0, 1), st.integers(0, 99))
def test_what_cocos_library_packs_is_read(height: int, width: int, share: float, seed: int) -> None:
    drawn = (np.random.default_rng(seed).random((height, width)) < share).astype(np.uint8)
    packed = theirs.encode(np.asfortranarray(drawn))["counts"].decode()
    assert np.array_equal(mask_from_runs(unpacked_runs(packed), (height, width), by_columns=True), drawn)


def test_runs_of_a_large_mask_have_large_numbers() -> None:
    drawn = np.zeros((3000, 4000), np.uint8)
    drawn[700:2000, 3000] = drawn[5, 3990:] = 1
    packed = theirs.encode(np.asfortranarray(drawn))["counts"].decode()
    assert np.array_equal(mask_from_runs(unpacked_runs(packed), drawn.shape, by_columns=True), drawn)


def test_runs_go_along_rows_too() -> None:
    assert mask_from_runs([1, 2, 3], (2, 3), by_columns=False).tolist() == [[False, True, True], [False] * 3]


@pytest.mark.parametrize("counts", [[], [5], [7], [2**62, 2**62]])
def test_runs_that_do_not_fill_the_mask_are_refused(counts: list[int]) -> None:
    with pytest.raises(ImageError, match="for a mask of 3x2"):
        mask_from_runs(counts, (2, 3), by_columns=True)


@pytest.mark.parametrize("text", ["", "o", "0o", " ", "é", "p", "o" * 20 + "0"])
def test_damaged_texts_are_refused(text: str) -> None:
    with pytest.raises(ImageError, match="packed run lengths"):
        unpacked_runs(text)


def test_a_run_length_below_0_is_named() -> None:
    with pytest.raises(ImageError, match="has a run length below 0, -2"):
        mask_from_runs([-2, 6], (2, 2), by_columns=True)
