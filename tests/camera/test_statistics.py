from __future__ import annotations

import numpy as np
import pytest

from edgeunet.camera.frame import Frame
from edgeunet.camera.statistics import LARGEST_NS, LatencyHistogram, Quantiles, Statistics

MS = 1_000_000
PIXELS = np.zeros((2, 2, 3), np.uint8)


def publish(statistics: Statistics, ages_ms: list[int], every_ms: int = 100) -> None:
    """One mask every `every_ms`, each of the given age."""
    for number, age in enumerate(ages_ms):
        now = (1 + number) * every_ms * MS
        frame = Frame(PIXELS, number, now - age * MS, 0)
        statistics.published(frame, now, {"wait": MS, "infer": (age - 1) * MS})


@pytest.mark.parametrize("largest", [200, 10_000, 50 * MS, 3_600_000 * MS])
def test_quantiles_are_those_of_the_sorted_durations_within_a_bucket(largest: int) -> None:
    values = np.sort(np.random.default_rng(largest).integers(1, largest, 5_000))
    histogram = LatencyHistogram()
    for value in values:
        histogram.add(int(value))
    got = histogram.quantiles()
    assert (got.count, got.total_ns, got.max_ns) == (5_000, values.sum(), values[-1])
    for p, quantile in ((0.5, got.p50_ns), (0.9, got.p90_ns), (0.99, got.p99_ns)):
        exact = values[round(5_000 * p) - 1]
        assert exact <= quantile <= exact * (1 + 1 / 128)


def test_a_histogram_takes_any_duration() -> None:
    histogram = LatencyHistogram()
    assert histogram.quantiles() == Quantiles()
    for value in (-5, 0, LARGEST_NS + 1):
        histogram.add(value)
    assert histogram.quantiles() == Quantiles(3, LARGEST_NS, 0, LARGEST_NS, LARGEST_NS, LARGEST_NS)


def test_masks_older_than_the_deadline_are_misses_and_the_longest_row_is_kept() -> None:
    statistics = Statistics(deadline_ns=50 * MS)
    publish(statistics, [10, 60, 60, 10, 50, 60, 60, 60, 10, 60])
    got = statistics.snapshot()
    assert (got.published, got.misses, got.longest_miss) == (10, 6, 3)


def test_jitter_is_the_change_of_the_time_between_masks() -> None:
    statistics = Statistics()
    for now_ms in (100, 200, 300, 450, 550):  # intervals 100, 100, 150, 100
        statistics.published(Frame(PIXELS, 0, (now_ms - 5) * MS, 0), now_ms * MS, {})
    jitter = statistics.snapshot().jitter
    assert (jitter.count, jitter.total_ns, jitter.max_ns) == (3, 100 * MS, 50 * MS)


def test_snapshot_has_every_stage_and_what_the_source_counts() -> None:
    statistics = Statistics()
    statistics.read(3 * MS)
    publish(statistics, [21] * 40)
    statistics.drawn(2 * MS, MS)
    statistics.failed()
    statistics.end()
    got = statistics.snapshot(dropped=4, corrupt=5, reconnects=6)
    assert (got.read, got.published, got.failed, got.dropped, got.corrupt, got.reconnects) == (1, 40, 1, 4, 5, 6)
    assert {stage: q.max_ns // MS for stage, q in got.stages.items()} == {
        "read": 3,
        "wait": 1,
        "infer": 20,
        "draw": 2,
        "write": 1,
    }
    assert (got.age.count, got.age.max_ns, got.recent_age_ms) == (40, 21 * MS, 21.0)
    assert got.recent_fps == pytest.approx(10)


def test_samples_are_kept_only_for_a_record() -> None:
    plain, kept = Statistics(), Statistics(keep_samples=True)
    for statistics in (plain, kept):
        publish(statistics, [10, 20])
    assert plain.samples()[1].size == 0
    columns, rows = kept.samples()
    assert columns == ("captured", "age", "wait", "infer")
    assert rows.tolist() == [[90 * MS, 10 * MS, MS, 9 * MS], [180 * MS, 20 * MS, MS, 19 * MS]]
