import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import UsageError
from edgeunet.evaluation.metrics import class_iou, scores_of
from edgeunet_export.graph.model_file import read_model
from edgeunet_export.verify.accuracy import Accuracy, AccuracyBudget, Drop, judged, paired_drop
from edgeunet_export.verify.mask_agreement import MaskComparison
from tests.export.scaled import change

Counts = NDArray[np.int64]


def _matrices(frames: int = 12, wrong: float = 0.2, seed: int = 0) -> Counts:
    """Of a model that takes a pixel for another of three classes with that probability, frame by frame."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, (frames, 400))
    masks = np.where(generator.random(labels.shape) < wrong, (labels + 1) % 3, labels)
    counts = np.zeros((frames, 3, 3), np.int64)
    for frame in range(frames):
        np.add.at(counts[frame], (labels[frame], masks[frame]), 1)
    return counts


def test_the_drop_is_the_difference_of_miou_in_points_and_of_each_class() -> None:
    a, b = _matrices(wrong=0.1), _matrices(wrong=0.2)
    drop = paired_drop(a, b)
    assert drop.points == pytest.approx(100 * (scores_of(a.sum(0)).miou - scores_of(b.sum(0)).miou))
    np.testing.assert_allclose(drop.classes, 100 * (class_iou(a.sum(0)) - class_iou(b.sum(0))))
    assert drop.interval is not None
    assert 0 < drop.interval[0] < drop.points < drop.interval[1]


def test_the_interval_is_that_of_a_paired_percentile_bootstrap_over_frames() -> None:
    a, b = _matrices(wrong=0.1), _matrices(wrong=0.2, seed=1)

    def points(frames: NDArray[np.int64]) -> float:
        return 100 * (scores_of(a[frames].sum(0)).miou - scores_of(b[frames].sum(0)).miou)

    expected = bootstrap(
        (np.arange(len(a)),), points, n_resamples=2000, method="percentile", vectorized=False, rng=1
    ).confidence_interval
    drop = paired_drop(a, b)
    assert drop.interval == pytest.approx((expected.low, expected.high), abs=0.4)
    assert drop == paired_drop(a, b)
    assert drop.interval != paired_drop(a, b, seed=1).interval


def test_frames_that_both_find_hard_do_not_widen_the_interval() -> None:
    hard, easy = _matrices(6, 0.6), _matrices(6, 0.05, seed=1)
    a = np.concatenate([hard, easy])
    b = a.copy()
    b[:, 0, 0] -= 4
    b[:, 0, 1] += 4
    drop = paired_drop(a, b)
    assert drop.interval is not None
    assert drop.interval[1] - drop.interval[0] < 1.0


def test_a_class_that_never_occurs_has_no_drop_and_one_frame_no_interval() -> None:
    a = _matrices(1)
    a[:, 2], a[:, :, 2] = 0, 0
    drop = paired_drop(a, a)
    assert drop.points == 0
    assert drop.interval is None
    assert [math.isnan(lost) for lost in drop.classes] == [False, False, True]


def test_a_class_without_labels_moves_no_verdict() -> None:
    """A stray pixel of B for a class that no label has is one wrong pixel, and not a class with an IoU of 0."""
    a = np.zeros((2, 5, 5), np.int64)
    a[:, range(4), range(4)] = 1000
    b = a.copy()
    b[0, 0, 0] -= 1
    b[0, 0, 4] += 1
    assert paired_drop(a, b).points == pytest.approx(100 * (1 - 1999 / 2000) / 4)
    worse = a.copy()
    for label in range(4):
        worse[:, label, label] -= 100
        worse[:, label, (label + 1) % 4] += 100
    drop = paired_drop(b, worse)
    assert 17 < drop.points < 19
    assert drop.interval is not None
    assert 17 < drop.interval[0] < drop.interval[1] < 19


def test_without_a_labelled_pixel_there_is_no_drop() -> None:
    a = np.zeros((3, 3, 3), np.int64)
    drop = paired_drop(a, a)
    assert math.isnan(drop.points)
    assert drop.interval is None


def test_a_budget_counts_points_with_labels_and_agreement_without(model: Path) -> None:
    spec = read_model(model)[1]
    comparison = MaskComparison("val", 2, 0.97, (), None, None, (spec, spec))
    lost = Accuracy(comparison, Drop(0.4, (0.1, 0.7), (0.4,)))
    assert (AccuracyBudget(max_drop=0.4).met(lost), AccuracyBudget(max_drop=0.3).met(lost)) == (True, False)
    assert str(lost) == "mIoU drop +0.40 points (+0.10 to +0.70), the same class on 97.00% of the pixels"
    assert AccuracyBudget(max_drop=0.3).demand(lost) == "a drop of at most 0.3 points (--max-drop)"
    unlabelled = Accuracy(comparison, None)
    assert (AccuracyBudget(min_agreement=0.97).met(unlabelled), AccuracyBudget(min_agreement=0.98).met(unlabelled)) == (
        True,
        False,
    )
    assert AccuracyBudget(min_agreement=0.98).excess(unlabelled) == pytest.approx(1.0)
    assert AccuracyBudget(min_agreement=0.98).demand(unlabelled) == "agreement on at least 98.00% (--min-agreement)"
    assert str(unlabelled) == "the same class on 97.00% of the pixels"
    assert not AccuracyBudget().met(Accuracy(comparison, Drop(math.nan, None, (math.nan,))))


def test_two_models_are_judged_on_every_frame_of_the_split(model: Path, dataset: Path) -> None:
    proto = read_model(model)[0]
    folder = DatasetFolder.open(dataset)
    same = judged(model, proto, folder, "val")
    assert same.drop is not None
    assert (same.comparison.frames, same.comparison.agreement, same.drop.points) == (2, 1.0, 0.0)
    change(proto, "out.bias", lambda bias: bias + np.array([0, 0, 0, 0, 100]))
    worse = judged(model, proto, folder, "val")
    assert worse.drop is not None
    assert worse.comparison.confusions is not None
    a, b = worse.comparison.confusions
    assert a.shape == b.shape == (2, 5, 5)
    assert worse.drop.points == pytest.approx(100 * (scores_of(a.sum(0)).miou - scores_of(b.sum(0)).miou))
    assert b[:, :, 4].sum() == b.sum()


@pytest.mark.parametrize("wrong", [{"max_drop": -0.1}, {"max_drop": 101}, {"min_agreement": 98.0}])
def test_budgets_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        AccuracyBudget(**wrong)
