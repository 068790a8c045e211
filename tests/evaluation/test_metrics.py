from __future__ import annotations

import numpy as np
import pytest

from edgeunet.errors import FrameError, ModelFileError
from edgeunet.evaluation.metrics import Confusion, agreement, class_precision, class_recall, mean_iou
from edgeunet.spec import IGNORE


def mask(*rows: list[int]) -> np.ndarray:
    return np.array(rows, np.uint8)


def test_iou_by_hand() -> None:
    confusion = Confusion(3)
    confusion.add(mask([0, 0, 1, 1], [2, 2, IGNORE, IGNORE]), mask([0, 1, 1, 1], [2, 0, 0, 1]))
    scores = confusion.scores()
    assert scores.iou == pytest.approx((1 / 3, 2 / 3, 1 / 2))
    assert scores.miou == pytest.approx((1 / 3 + 2 / 3 + 1 / 2) / 3)
    assert scores.accuracy == pytest.approx(4 / 6)
    assert scores.pixels == 6


def test_frames_add_up_as_one_large_frame() -> None:
    rng = np.random.default_rng(0)
    labels, masks = rng.integers(0, 3, (2, 4, 8, 8), dtype=np.uint8)
    one, many = Confusion(3), Confusion(3)
    one.add(labels.reshape(32, 8), masks.reshape(32, 8))
    for label, predicted in zip(labels, masks, strict=True):
        many.add(label, predicted)
    assert one.scores() == many.scores()


def test_a_class_that_never_occurs_does_not_count() -> None:
    confusion = Confusion(3)
    confusion.add(mask([0, 1]), mask([0, 1]))
    scores = confusion.scores()
    assert scores.miou == 1.0
    assert np.isnan(scores.iou[2])


def test_a_class_without_labels_counts_in_no_mean_whatever_is_taken_for_it() -> None:
    clean, stray = Confusion(3), Confusion(3)
    label = mask([0] * 50 + [1] * 50)
    clean.add(label, mask([0] * 40 + [1] * 60))
    stray.add(label, mask([0] * 49 + [2] + [1] * 50))
    assert stray.scores().miou == pytest.approx((49 / 50 + 50 / 50) / 2)
    assert stray.scores().miou > clean.scores().miou
    assert np.isnan(stray.scores().iou[2])
    assert (stray.scores().stray, clean.scores().stray) == ((0, 0, 1), (0, 0, 0))
    assert stray.scores().accuracy == pytest.approx(0.99)
    both = np.stack([stray.counts, np.zeros((3, 3), np.int64)])
    np.testing.assert_allclose(mean_iou(both), [stray.scores().miou, np.nan])


@pytest.mark.parametrize("beyond", [3, 73, IGNORE])
def test_a_mask_with_a_class_that_is_none_is_refused_with_the_class(beyond: int) -> None:
    confusion = Confusion(3)
    with pytest.raises(ModelFileError, match=f"the class {beyond}, but its spec has the classes 0 to 2"):
        confusion.add(mask([0, IGNORE]), mask([0, beyond]))
    assert not confusion.counts.any()


def test_precision_and_recall_by_hand() -> None:
    counts = np.array([[6, 2, 0], [1, 3, 0], [0, 0, 0]])
    assert class_precision(counts) == pytest.approx([6 / 7, 3 / 5, np.nan], nan_ok=True)
    assert class_recall(counts) == pytest.approx([6 / 8, 3 / 4, np.nan], nan_ok=True)
    frames = np.stack([counts, counts.T])
    np.testing.assert_array_equal(class_precision(frames)[1], class_recall(counts))


def test_sizes_must_match() -> None:
    with pytest.raises(FrameError, match="differ in size"):
        Confusion(2).add(mask([0]), mask([0, 1]))


def test_agreement_is_a_share() -> None:
    assert agreement(mask([0, 1, 2, 3]), mask([0, 1, 2, 0])) == 0.75
