"""Deadline misses with exact bounds, streaks and jitter: against scipy and against figures done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from edgeunet.latency.deadlines import deadlines, jitter_ms, upper_bound
from tests.bench.records import toy_record


@pytest.mark.parametrize(("misses", "n"), [(0, 1), (0, 9000), (1, 30), (29, 30), (7, 54_000), (40_000, 54_000)])
def test_bounds_are_the_exact_ones_of_scipy(misses: int, n: int) -> None:
    for confidence in (0.95, 0.99):
        expected = stats.binomtest(misses, n, alternative="less").proportion_ci(confidence, "exact").high
        assert upper_bound(misses, n, confidence) == pytest.approx(expected, rel=1e-7)


def test_no_miss_in_9000_frames_bounds_the_rate_as_published() -> None:
    assert upper_bound(0, 9000, 0.95) == pytest.approx(3.3e-4, rel=0.01)
    assert upper_bound(5, 5, 0.95) == 1.0


def test_misses_are_counted_with_their_longest_streak() -> None:
    times = np.array([1, 9, 9, 1, 8, 9, 9, 9.0])
    found = deadlines(toy_record(times, mode="paced", period_ms=10.0, deadline_ms=8.0))
    assert found is not None
    assert (found.n, found.misses, found.share, found.longest_streak) == (8, 5, 0.625, 3)  # 8 ms is in time
    assert 0.625 < found.upper_95 < found.upper_99 < 1
    none = deadlines(toy_record(times, deadline_ms=9.0))
    assert none is not None
    assert (none.misses, none.longest_streak) == (0, 0)


def test_without_a_deadline_nothing_is_missed() -> None:
    assert deadlines(toy_record(np.ones(9))) is None


def test_jitter_is_how_far_results_stray_from_the_pace_of_their_frames() -> None:
    total, period = np.array([5.0, 7.0, 7.0, 4.0]), 10.0
    starts = np.arange(4) * period
    record = toy_record(total, mode="paced", period_ms=period, starts_ms=starts)
    jitter = jitter_ms(record)
    assert jitter is not None
    assert jitter.tolist() == [2.0, 0.0, 3.0]
    assert jitter.tolist() == np.abs(np.diff(starts + total) - period).tolist()
    assert jitter_ms(toy_record(total)) is None  # the next frame waits for the result
    assert jitter_ms(toy_record(total[:1], mode="paced", period_ms=period)) is None
    assert jitter_ms(toy_record(total, mode="camera")) is not None
