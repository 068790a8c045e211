from __future__ import annotations

import numpy as np
import pytest

from edgeunet.evaluation import label_noise
from edgeunet.evaluation.label_noise import Float32, LabelNoise, by_frame, regions_of, resized_mask
from edgeunet.imaging.pixels import UInt8
from edgeunet.spec import IGNORE
from tests.datasets import draw

SIZE = (96, 128)


def network(truth: UInt8, confidence: float, size: tuple[int, int] = SIZE) -> Float32:
    """Logits, [3, H, W], of a network that sees the truth, with that probability."""
    seen = resized_mask(truth, size)
    other = np.log((1 - confidence) / 2)
    right = seen == np.arange(3)[:, None, None]
    return np.asarray(np.where(right, np.log(confidence), other), np.float32)


def noise_of(labels: list[UInt8], truths: list[UInt8], confidences: list[float]) -> LabelNoise:
    noise = LabelNoise(3)
    for number, (label, truth, confidence) in enumerate(zip(labels, truths, confidences, strict=True)):
        noise.add(number, label, network(truth, confidence))
    return noise


def truths(count: int) -> list[UInt8]:
    return [resized_mask(draw(number)[1], SIZE) for number in range(count)]


def test_objects_with_the_label_of_another_class_are_found() -> None:
    right = truths(8)
    labels = [mask.copy() for mask in right]
    labels[2][right[2] == 1] = 2
    labels[5][right[5] == 2] = 0
    found = noise_of(labels, right, [0.8, 0.8, 0.9, 0.8, 0.8, 0.9, 0.8, 0.8]).suspects()
    assert [(s.frame, s.label, s.prediction) for s in found] == [(5, 0, 2), (2, 2, 1)]
    assert all(s.probability == pytest.approx(0.9, abs=1e-4) for s in found)
    assert found[0].size > found[1].size > 0.01


def test_less_is_enough_of_a_class_that_the_network_knows_badly() -> None:
    right = truths(4)
    labels = [mask.copy() for mask in right]
    labels[3][right[3] == 1] = 0
    assert noise_of(labels, right, [0.95, 0.95, 0.95, 0.7]).suspects() == [], "less sure than of other discs"
    assert [s.frame for s in noise_of(labels, right, [0.6, 0.6, 0.6, 0.7]).suspects()] == [3]


def test_edges_and_ignored_pixels_are_no_mistakes() -> None:
    right = truths(3)
    shifted = [np.roll(mask, 2, axis=1) for mask in right]
    assert noise_of(shifted, right, [0.9] * 3).suspects() == []
    ignored = np.where(right[0] == 1, np.uint8(IGNORE), right[0])
    noise = noise_of([ignored, np.full(SIZE, IGNORE, np.uint8)], [right[0], right[1]], [0.9] * 2)
    assert noise.suspects() == []
    assert noise.share() == 0.0


def test_the_share_of_doubtful_pixels_is_that_of_the_wrong_labels() -> None:
    right = [np.zeros(SIZE, np.uint8), np.ones(SIZE, np.uint8)] * 2
    noise = noise_of([*right[:3], np.zeros(SIZE, np.uint8)], right, [0.9, 0.8, 0.9, 0.9])
    assert noise.share() == pytest.approx(0.25)
    assert noise.thresholds()[:2] == pytest.approx([(0.9 + 0.9 + 0.05) / 3, 0.8])
    assert np.isnan(noise.thresholds()[2])


def test_the_largest_are_kept_and_grouped_by_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    right = truths(6)
    labels = [np.zeros_like(mask) for mask in right]
    whole = noise_of([*right, *labels], right * 2, [0.8] * 6 + [0.9] * 6).suspects()
    monkeypatch.setattr(label_noise, "_KEPT", 3)
    assert noise_of([*right, *labels], right * 2, [0.8] * 6 + [0.9] * 6).suspects() == whole[:3]
    groups = by_frame(whole, 2)
    assert list(groups) == [whole[0].frame, next(s.frame for s in whole if s.frame != whole[0].frame)]
    assert sum(map(len, groups.values())) == sum(s.frame in groups for s in whole)


def test_a_region_is_found_again_by_its_number() -> None:
    (right,) = truths(1)
    label = np.zeros_like(right)
    for suspect in noise_of([*truths(2), label], [*truths(2), right], [0.8, 0.8, 0.9]).suspects():
        region = regions_of(label, network(right, 0.9))[suspect.number]
        assert (region.label, region.prediction) == (suspect.label, suspect.prediction)
        assert (right[region.pixels] == suspect.prediction).all()
