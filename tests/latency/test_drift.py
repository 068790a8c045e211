"""Drift: the last tenth of a measurement against its first."""

from __future__ import annotations

import numpy as np
import pytest

from edgeunet.latency.drift import drift
from tests.bench.records import noisy, toy_record, toy_telemetry

RNG = np.random.default_rng(5)


def test_a_slow_rise_is_told_from_chance() -> None:
    rising = drift(toy_record(noisy(RNG, 10.0, 2000) * np.linspace(1, 1.1, 2000)))
    assert rising is not None
    assert rising.change == pytest.approx(0.09, abs=0.01)
    assert rising.clear
    steady = drift(toy_record(np.tile(noisy(RNG, 10.0, 100), 20)))
    assert steady is not None
    assert abs(steady.change) < 0.01
    assert not steady.clear


def test_tenths_are_of_the_time_not_of_the_samples() -> None:
    times = np.concatenate([np.full(900, 1.0), np.full(9, 100.0)])  # the last half of the time is 9 samples
    assert drift(toy_record(times)) is None  # its last tenth is one of them: too few for the interval of a median
    assert drift(toy_record(times, starts_ms=np.arange(909) * 10.0)) is not None


def test_memory_and_the_warmest_sensor_are_compared_too() -> None:
    telemetry = toy_telemetry(
        seconds=20.0,
        process_mb=np.linspace(100, 140, 40),
        cpu_c=np.repeat([40.0, 50.0, 60.0, np.nan], 10),
        gpu_c=np.linspace(30, 69, 40),
        off_c=np.full(40, np.nan),
    )
    found = drift(toy_record(np.full(2000, 10.0), telemetry=telemetry))
    assert found is not None
    assert found.memory_mb == pytest.approx(18 * 40 / 39)  # between the middles of the tenths
    assert found.own_mb == pytest.approx(2000 * 4 * 8 / 1e6)
    assert found.warmest_c is not None
    assert found.warmest_c[0] == "gpu_c"
    assert found.warmest_c[1:] == pytest.approx((50.5, 68.5))


def test_without_telemetry_only_latency_is_compared() -> None:
    found = drift(toy_record(np.full(2000, 10.0)))
    assert found is not None
    assert (found.memory_mb, found.warmest_c) == (None, None)
