"""Boundary F1: cases worked by hand, and a slow reference that looks at every pair of pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgeunet.errors import FrameError
from edgeunet.evaluation.boundary import boundary_f1, class_means
from edgeunet.imaging.letterbox import UInt8
from edgeunet.spec import IGNORE


def slow_boundary_f1(label: UInt8, mask: UInt8, classes: int, radius: float) -> list[float]:
    """The definition, word by word."""
    height, width = label.shape

    def outline(of: UInt8, index: int) -> list[tuple[int, int]]:
        def kind(y: int, x: int) -> int:
            inside = 0 <= y < height and 0 <= x < width
            return int(of[y, x]) if inside and label[y, x] != IGNORE else IGNORE

        beside = ((0, 1), (1, 0), (0, -1), (-1, 0))
        return [
            (y, x)
            for y in range(height)
            for x in range(width)
            if kind(y, x) == index and any(kind(y + dy, x + dx) not in (index, IGNORE) for dy, dx in beside)
        ]

    def share(pixels: list[tuple[int, int]], targets: list[tuple[int, int]]) -> float:
        near = [any((y - v) ** 2 + (x - u) ** 2 <= radius**2 for v, u in targets) for y, x in pixels]
        return sum(near) / len(near) if near else 0.0

    scores = []
    for index in range(classes):
        true, found = outline(label, index), outline(mask, index)
        precision, recall = share(found, true), share(true, found)
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        scores.append(f1 if true else float("nan"))
    return scores


def halves(at: int, size: tuple[int, int] = (6, 12)) -> UInt8:
    """Class 0 to the left of a column, class 1 from it on."""
    mask = np.zeros(size, np.uint8)
    mask[:, at:] = 1
    return mask


@pytest.mark.parametrize("seed", range(12))
def test_it_is_what_the_slow_reference_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    small = rng.choice(np.array([0, 1, 2, 3, IGNORE], np.uint8), (2, 5, 6), p=[0.3, 0.25, 0.2, 0.1, 0.15])
    label, mask = (np.asarray(cv2.resize(m, (19, 14), interpolation=cv2.INTER_NEAREST), np.uint8) for m in small)
    mask = np.where(mask == IGNORE, np.uint8(0), mask)
    for radius in (0.0, 1.0, 1.5, 2.0, 3.2, 40.0):
        assert boundary_f1(label, mask, 5, radius) == pytest.approx(
            slow_boundary_f1(label, mask, 5, radius), abs=0, nan_ok=True
        ), radius


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_same_in_parts_and_by_distances(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few rows, and a distance transform instead of a disc, change no bit."""
    rng = np.random.default_rng(seed)
    label, mask = (
        np.asarray(cv2.resize(m, (40, 90), interpolation=cv2.INTER_NEAREST), np.uint8)
        for m in rng.integers(0, 4, (2, 13, 9), np.uint8)
    )
    label[label == 3], mask[mask == 3] = IGNORE, 2
    for radius in (0.0, 1.5, 5.0, 18.0**0.5):
        whole = boundary_f1(label, mask, 4, radius)
        with monkeypatch.context() as patch:
            patch.setattr("edgeunet.evaluation.boundary._STRIP", 1)
            assert np.array_equal(boundary_f1(label, mask, 4, radius), whole, equal_nan=True)
            patch.setattr("edgeunet.evaluation.boundary._SMALL", -1)
            assert np.array_equal(boundary_f1(label, mask, 4, radius), whole, equal_nan=True)


def test_an_outline_counts_as_far_as_the_tolerance_and_no_farther() -> None:
    assert boundary_f1(halves(4), halves(6), 2, 2.0).tolist() == [1.0, 1.0]
    assert boundary_f1(halves(4), halves(6), 2, 1.9).tolist() == [0.0, 0.0]
    assert boundary_f1(halves(4), halves(4), 2, 0.0).tolist() == [1.0, 1.0]


def test_the_tolerance_is_a_share_of_the_diagonal() -> None:
    size = (480, 640)  # 0.75 % of 800 pixels is 6
    assert boundary_f1(halves(300, size), halves(306, size), 2).tolist() == [1.0, 1.0]
    assert boundary_f1(halves(300, size), halves(307, size), 2).tolist() == [0.0, 0.0]
    label, mask = np.zeros((2, 400, 400), np.uint8)
    label[200, 200] = mask[203, 203] = 1  # √18 away, which is the tolerance, and a little less in floating point
    assert boundary_f1(label, mask, 2)[1] == 1.0


def test_precision_and_recall_by_hand() -> None:
    label, mask = np.zeros((2, 9, 30), np.uint8)
    label[2:5, 2:5] = mask[2:5, 2:5] = 1  # 8 pixels of outline, found
    mask[2:5, 20:23] = 1  # and as many invented: precision 1/2, recall 1
    assert boundary_f1(label, mask, 2, 1.0)[1] == pytest.approx(2 / 3)
    assert boundary_f1(mask, label, 2, 1.0)[1] == pytest.approx(2 / 3)  # precision 1, recall 1/2


def test_a_class_without_outline_in_the_label_has_no_score() -> None:
    assert np.isnan(boundary_f1(np.zeros((8, 8), np.uint8), halves(4, (8, 8)), 2, 1.0)).all()
    assert boundary_f1(halves(4, (8, 8)), np.zeros((8, 8), np.uint8), 2, 1.0).tolist() == [0.0, 0.0]  # all missed


def test_ignored_pixels_make_no_outline_and_hide_what_is_in_them() -> None:
    label, mask = halves(8), halves(8)
    label[:, 3:5] = IGNORE
    mask[:, 3:5] = 1  # would be a wrong outline
    assert boundary_f1(label, mask, 2, 1.0).tolist() == [1.0, 1.0]
    band = halves(6)
    band[:, 5:7] = IGNORE  # the classes never touch
    assert np.isnan(boundary_f1(band, halves(6), 2, 1.0)).all()


def test_the_frames_edge_is_no_outline() -> None:
    label = np.ones((6, 6), np.uint8)
    label[3, 3] = 0
    assert boundary_f1(label, label, 2, 0.0).tolist() == [1.0, 1.0]
    mask = np.ones((6, 6), np.uint8)
    mask[0, 0] = 0  # its outline of class 1 is not near, though both touch the edge
    assert boundary_f1(label, mask, 2, 1.0).tolist() == [0.0, 0.0]


def test_sizes_must_match() -> None:
    with pytest.raises(FrameError, match="differ in size"):
        boundary_f1(halves(4), halves(4, (6, 13)), 2)


def test_the_mean_is_over_the_frames_that_have_the_class() -> None:
    frames = np.array([[0.5, np.nan, np.nan], [1.0, 0.25, np.nan]])
    assert class_means(frames) == pytest.approx([0.75, 0.25, np.nan], nan_ok=True)
