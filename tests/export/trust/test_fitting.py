"""The temperature and the scores, fitted to numbers with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeunet_export.trust.fitting import best_temperature, fitted
from edgeunet_export.trust.output_nodes import Familiarity

FRAMES = 500


def drawn(logits: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.intp]:
    """Classes that are as likely as the logits say."""
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return np.asarray((shares.cumsum(1) < rng.random((len(logits), 1))).sum(1))


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
def test_the_temperature_is_what_the_logits_were_multiplied_by(temperature: float) -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (40_000, 5))
    assert best_temperature(logits * temperature, drawn(logits, rng), None) == pytest.approx(temperature, rel=0.05)


@pytest.mark.parametrize("threshold", [0.0, 1.5])
def test_one_logit_is_of_two_classes(threshold: float) -> None:
    rng = np.random.default_rng(1)
    above = rng.normal(0, 2, (40_000, 1))
    labels = drawn(np.concatenate([np.zeros_like(above), above], 1), rng)
    assert best_temperature(3 * above + threshold, labels, threshold) == pytest.approx(3, rel=0.05)


def score(found: Familiarity, features: NDArray[np.float64], largest: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the graph computes."""
    near = found.near - np.square((features - found.mean) * found.scale).sum(1)
    return np.asarray(np.minimum(found.certain[0] * largest + found.certain[1], near))


def ordinary(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    return rng.normal(3, [1, 0.1, 5], (count, 3)), rng.normal(8, 1, count)


def test_ordinary_frames_score_above_zero_and_others_below() -> None:
    features, largest = ordinary(FRAMES, 0)
    found, held_out = fitted("a.map", features, largest, np.arange(FRAMES))
    assert held_out.shape == (FRAMES,)
    fresh = score(found, *ordinary(5000, 1))
    assert 0.005 < np.mean(fresh < 0) < 0.035, "one in a hundred by each of the two scores"
    assert 0.3 < np.median(fresh) < 1
    strange = features + np.array([0, 1, 0])  # ten deviations of one channel
    assert score(found, strange, largest).max() < 0
    assert score(found, features, largest - 9).max() < 0, "unsure"
    assert (score(found, features, largest + 9) <= found.near).all(), "sure of a strange frame is no excuse"


def test_a_frame_is_as_familiar_as_its_least_familiar_tile() -> None:
    features, largest = ordinary(60, 0)
    largest[7] = -50
    _, held_out = fitted("a.map", features, largest, np.repeat(np.arange(30), 2))
    assert held_out.shape == (30,)
    assert held_out.argmin() == 3


def test_frames_are_held_out_with_their_neighbours() -> None:
    """Five drives: the distance of each frame is from the four others."""
    features = np.repeat([1.0, 2, 3, 4, 9], 20)[:, None] + np.random.default_rng(0).normal(0, 0.1, (100, 1))
    distances = []
    for drive in range(5):
        inside = np.arange(100) // 20 == drive
        others = features[~inside]
        distances.append((((features[inside] - others.mean()) / others.std()) ** 2).ravel())
    expected = np.concatenate(distances)
    usual, far = np.quantile(expected, [0.5, 0.99])
    _, held_out = fitted("a.map", features, np.linspace(1e9, 2e9, 100), np.arange(100))
    near = 1 - (expected - usual) / (far - usual)
    np.testing.assert_allclose(held_out, np.minimum(near, held_out), atol=1e-9)
    assert np.mean(np.isclose(held_out, near)) > 0.4, "elsewhere the logits decide"


def test_without_a_map_the_logits_decide_alone() -> None:
    _, largest = ordinary(50, 0)
    found, held_out = fitted("", np.empty((50, 0)), largest, np.arange(50))
    assert found.feature_map == ""
    np.testing.assert_allclose(held_out, found.certain[0] * largest + found.certain[1])


@pytest.mark.parametrize("count", [1, 2])
def test_a_few_equal_frames_give_numbers(count: int) -> None:
    found, held_out = fitted("a.map", np.ones((count, 2)), np.ones(count), np.arange(count))
    assert np.isfinite(held_out).all()
    assert np.isfinite([found.near, *found.certain, *found.mean, *found.scale]).all()
