"""The statistics of the guard: bounds of a ratio, chances of a tail, and the smallest effects that they can detect."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from edgeunet.latency.quantiles import Samples

RESAMPLES = 10_000
POWER = 0.98  # with which the smallest detectable effects would be detected
_BATCH = 500  # resamples at once: 500 times 2,000 rounds are 8 MB
_BLOCKS = 256  # into which the tail's rounds are gathered, at most


def bootstrap_medians(logs: Samples, rng: np.random.Generator) -> Samples:
    """(pairs, rounds) → (RESAMPLES,) medians: pairs drawn with replacement, then rounds within each drawn pair.

    Davison and Hinkley, Bootstrap Methods and their Application, section 3.8.
    """
    pairs, rounds = logs.shape
    medians = []
    for _ in range(RESAMPLES // _BATCH):
        drawn = rng.integers(pairs, size=(_BATCH, pairs, 1), dtype=np.int32)
        within = rng.integers(rounds, size=(_BATCH, pairs, rounds), dtype=np.int32)
        medians.append(np.median(logs[drawn, within].reshape(_BATCH, -1), axis=1))
    return np.concatenate(medians)


def sign_flip(differences: Samples, rng: np.random.Generator) -> float:
    """p of the permutation test that the differences, (n,), are as likely below zero as above (one-sided).

    Phipson and Smyth 2010: with the observed arrangement counted, p is never zero.
    """
    d = _gathered(differences)
    reached = 0
    for _ in range(2 * RESAMPLES // _BATCH):
        signs: NDArray[np.int8] = rng.integers(2, size=(_BATCH, len(d)), dtype=np.int8) * 2 - 1
        reached += int(np.count_nonzero(signs @ d >= d.sum() - 1e-12))
    return (1 + reached) / (2 * RESAMPLES + 1)


def smallest_tail(differences: Samples, calls: int, alpha: float) -> float:
    """The smallest share of slow calls, of `calls` of one arm, that sign_flip would find at `alpha`.

    Without a cause the sum of the differences scatters by σ² = Σd²; k slow calls more add k, and k to the variance
    (Poisson): k = (z_alpha + z_power) √(σ² + k), solved for k.
    """
    z = _z(alpha)
    return min(1.0, (z * z + z * math.sqrt(z * z + 4 * _variance(differences))) / 2 / max(1, calls))


def calls_to_see(tail: float, differences: Samples, calls: int, alpha: float) -> float:
    """Of how many calls of one arm smallest_tail would be `tail`, if σ² goes on growing with them as in `calls`."""
    return (_z(alpha) / tail) ** 2 * (_variance(differences) / max(1, calls) + tail)


def _z(alpha: float) -> float:
    return NormalDist().inv_cdf(1 - alpha) + NormalDist().inv_cdf(POWER)


def _variance(differences: Samples) -> float:
    return float((_gathered(differences) ** 2).sum())


def _gathered(differences: Samples) -> Samples:
    """Sums of neighbours, few enough to draw signs for; a machine is slow in stretches, so neighbours go together."""
    parts = np.array_split(differences, min(_BLOCKS, len(differences)))
    return np.array([part.sum() for part in parts])
