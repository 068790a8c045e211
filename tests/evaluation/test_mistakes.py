"""What is worth looking at, on masks whose faults are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeunet.evaluation.mistakes import Mistake, mistakes, ranking, worst_frame_of, worst_frames
from edgeunet.spec import IGNORE
from tests.evaluation.colored import SIZE, Frame, evaluated, halves


def test_mistakes_by_hand() -> None:
    counts = np.array([[90, 10, 0], [30, 20, 0], [0, 0, 0]])
    assert mistakes(counts) == [Mistake(0, 1, 10, 0.1, 0.25), Mistake(1, 0, 30, 0.6, 0.75)]
    assert mistakes(np.diag([3, 2])) == []


def _off_by(*columns: int) -> list[Frame]:
    """Frames in which so many columns of car are taken for road."""
    return [(halves(24), halves(24 + c)) for c in columns]


def test_frames_are_ranked_by_wrong_pixels_and_ignored_ones_left_out(tmp_path: Path) -> None:
    frames = _off_by(2, 0, 9, 2, 5)
    frames.insert(2, (np.full(SIZE, IGNORE, np.uint8), halves(1)))
    evaluation, _ = evaluated(tmp_path, frames)
    assert ranking(evaluation) == [3, 5, 0, 4, 1]
    assert worst_frames(evaluation, 9, 0) == [3, 5, 0, 4]  # not the one in which nothing is wrong
    assert worst_frames(evaluation, 2, 0) == [3, 5]
    assert worst_frames(evaluation, 9, 2) == [3, 0]  # 5 is too near 3, 4 too


def test_each_class_has_the_frame_in_which_most_of_it_is_wrong(tmp_path: Path) -> None:
    evaluation, _ = evaluated(tmp_path, [*_off_by(3), (halves(24, 0, 0), halves(46, 0, 1)), *_off_by(1)])
    assert [worst_frame_of(evaluation, index) for index in range(3)] == [0, 0, None]
    evaluation, _ = evaluated(tmp_path / "claimed", [*_off_by(3), (halves(24, 0, 0), halves(20, 0, 2))])
    assert [worst_frame_of(evaluation, index) for index in range(3)] == [1, 0, 1]  # sky is in no label
