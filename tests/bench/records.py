"""Latency records for tests, from samples that are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeunet.latency.quantiles import Samples
from edgeunet.latency.record import LatencyRecord, RunMetadata, Telemetry


def toy_record(total_ms: Samples, **changes: Any) -> LatencyRecord:
    """A record whose stages are a tenth and eight tenths of the total; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "subject": RunMetadata(
            "toy.onnx", "ab" * 32, "fp32", (32, 48), 1234, "onnxruntime 1.0", "edgeunet bench run", ""
        ),
        "machine": {"cpu": "Some CPU", "governor": "performance"},
        "frames": "road, 2 frames of 582x437",
        "mode": "single",
        "created": "2026-01-02T03:04:05+00:00",
        "warmup_frames": 7,
        "warmup_settled": True,
        "partial": False,
        "starts_ms": np.cumsum(total_ms) - total_ms,
        "samples_ms": {"total": total_ms, "fit": total_ms * 0.1, "infer": total_ms * 0.8},
    }
    return LatencyRecord(**(fields | changes))


def toy_telemetry(
    seconds: float = 2.0, watts: float | None = None, idle_watts: float | None = None, **values: Samples
) -> Telemetry:
    """20 samples of an idle machine and 20 of a measurement of `seconds`; `values` by name, (40,) each.

    The CPU's clock does not answer at first. With `watts` there is one rail, of that power during the measurement.
    """
    period_ms = seconds * 1000 / 20
    values = {"cpu_mhz": np.array([np.nan, *[1500.0] * 39]), **values}
    if watts is not None:
        values["VDD_IN_mw"] = np.repeat([(idle_watts or 0.0) * 1000, watts * 1000], 20)
    return Telemetry(
        times_ms=np.arange(-20.0, 20.0) * period_ms,
        values=values,
        rails=() if watts is None else ("VDD_IN_mw",),
        idle_mw=None if idle_watts is None else idle_watts * 1000,
        cost=0.01,
    )


def noisy(rng: np.random.Generator, median_ms: float, count: int) -> Samples:
    """Times as a busy machine gives them: mostly near the median, some far above it."""
    return median_ms * np.exp(rng.normal(0, 0.03, count)) * np.where(rng.random(count) < 0.03, 1.4, 1.0)
