"""What the two outputs are computed with, found on frames: temperature, distance and scale of the scores."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgeunet_export.trust.output_nodes import Familiarity

Float64 = NDArray[np.float64]
STRANGE = 0.01
"""Share of ordinary frames that may be called unfamiliar, or of low confidence."""
_FOLDS = 5
_LEAST = 1e-6
_GOLDEN = (math.sqrt(5) - 1) / 2
_COLDEST, _HOTTEST = 0.01, 100.0


def best_temperature(logits: Float64, labels: NDArray[np.intp], threshold: float | None) -> float:
    """The temperature with the least cross-entropy on pixels: logits [n, C] and their classes [n].

    threshold: of the one logit of two classes, [n, 1]; else None. Source: Guo et al., ICML 2017 (arXiv:1706.04599).
    """
    if threshold is not None:
        above = logits[:, 0] - threshold
        logits = np.stack([np.zeros_like(above), above], axis=1)
    pixels = np.arange(len(labels))

    def entropy(log_temperature: float) -> float:
        cooled = logits / math.exp(log_temperature)
        cooled = cooled - cooled.max(1, keepdims=True)
        return float((np.log(np.exp(cooled).sum(1)) - cooled[pixels, labels]).mean())

    return math.exp(_least(entropy, math.log(_COLDEST), math.log(_HOTTEST)))


def _least(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley is the smallest, by golden section."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    while high - low > 1e-3:
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(right)
    return (low + high) / 2


def fitted(
    feature_map: str, features: Float64, largest: Float64, frames: NDArray[np.intp]
) -> tuple[Familiarity, Float64]:
    """The score of familiarity from ordinary frames, and what it is for each of them, [frames].

    features: [n, C], largest: [n] means of the largest logits, frames: [n] numbers from 0 in order, for each tile;
    features are [n, 0] without a map. The distance of a frame is from a fit to others: it is held out with its
    neighbours.
    """
    count = int(frames.max()) + 1
    folds = min(_FOLDS, count)
    fold = frames * folds // count
    held_out = np.zeros(len(features))
    for number in range(folds):
        inside = fold == number
        mean, scale = _standard(features[~inside] if folds > 1 else features)
        held_out[inside] = np.square((features[inside] - mean) * scale).sum(1)
    usual, far = np.quantile(held_out, [0.5, 1 - STRANGE])
    steps = 1 / max(far - usual, _LEAST)  # from 1 to 0
    typical, low = np.quantile(largest, [0.5, STRANGE])
    slope = 1 / max(typical - low, _LEAST)
    scores = slope * (largest - low)
    if feature_map:
        scores = np.minimum(scores, 1 - (held_out - usual) * steps)
    least = np.full(count, np.inf)
    np.minimum.at(least, frames, scores)  # a frame is as familiar as its least familiar tile
    mean, scale = _standard(features)
    certain = slope, -low * slope
    return Familiarity(feature_map, mean, scale * math.sqrt(steps), 1 + usual * steps, certain), least


def _standard(features: Float64) -> tuple[Float64, Float64]:
    """Mean [C], and what a feature is divided by, as a factor [C]: its deviation, and the root of C."""
    deviation = features.std(0)
    floor = max(1e-3 * deviation.max(initial=0), _LEAST)  # a channel that never changes says nothing
    return features.mean(0), 1 / np.maximum(deviation, floor) / math.sqrt(max(1, features.shape[1]))
