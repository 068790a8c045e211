"""The figures of a split, worked by hand and through a real session."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeunet.errors import DatasetError
from edgeunet.evaluation.score import score_masks
from edgeunet.evaluation.scores_file import SCHEMA
from edgeunet.spec import IGNORE
from tests.evaluation.colored import SIZE, evaluated, halves


def test_the_figures_by_hand(tmp_path: Path) -> None:
    label = halves(24)
    label[:8] = IGNORE
    evaluation, _ = evaluated(tmp_path, [(label, halves(36)), (halves(24), halves(24))])
    values = evaluation.values
    right, missed = 24 * 12, 24 * 12  # pixels of car in the first frame: 24 rows count, 12 columns are found
    assert values["confusion"] == [[24 * 24 + 32 * 24, 0, 0], [missed, right + 32 * 24, 0], [0, 0, 0]]
    assert values["pixels"] == 24 * 48 + 32 * 48
    assert values["ignored_pixels"] == 8 * 48
    car = right + 32 * 24
    assert values["iou"]["car"] == pytest.approx(car / (car + missed))
    assert values["class_recall"]["car"] == pytest.approx(car / (car + missed))
    assert values["class_precision"]["car"] == 1
    assert values["boundary_f1"] == {"road": 0.5, "car": 0.5, "sky": None}  # 0 of a column 12 pixels off, then 1
    assert values["mean_boundary_f1"] == 0.5
    assert values["iou"]["sky"] is values["class_precision"]["sky"] is values["class_recall"]["sky"] is None
    assert evaluation.wrong_shares.tolist() == [missed / (24 * 48), 0]


def test_a_class_that_no_label_has_is_null_with_the_count_of_its_stray_pixels(tmp_path: Path) -> None:
    answer = halves(24)
    answer[:2, :3] = 2
    evaluation, page = evaluated(tmp_path, [(halves(24), answer)])
    values = evaluation.values
    assert values["iou"]["sky"] is None
    assert values["stray_pixels"] == {"sky": 6}
    assert values["miou"] == pytest.approx((values["iou"]["road"] + values["iou"]["car"]) / 2)
    assert "– (6 stray)" in page


def test_it_agrees_with_the_scores_of_training(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    frames = [(halves(int(a), 2, 0), halves(int(b), 2, 1)) for a, b in rng.integers(1, 47, (5, 2))]
    evaluation, _ = evaluated(tmp_path, frames)
    scores = score_masks(lambda frame: np.asarray(frame.argmax(axis=2), np.uint8), evaluation.samples, 3)
    assert (evaluation.values["miou"], evaluation.values["accuracy"]) == (scores.miou, scores.accuracy)


def test_the_scores_are_json_without_nan(tmp_path: Path) -> None:
    evaluation, _ = evaluated(tmp_path, [(np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8))])
    values = json.loads(json.dumps(evaluation.values, allow_nan=False))
    assert values["schema"] == SCHEMA
    assert values["miou"] == 1
    assert values["mean_boundary_f1"] is None  # a single class has no outline


def test_a_split_without_a_pixel_that_counts_is_refused(tmp_path: Path) -> None:
    nothing = np.full(SIZE, IGNORE, np.uint8)
    with pytest.raises(DatasetError, match="every pixel of val is labelled as ignored"):
        evaluated(tmp_path, [(nothing, halves(3)), (nothing, halves(4))])
    assert not (tmp_path / "page.html").exists()
