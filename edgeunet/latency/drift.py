"""How a long measurement ended compared with how it began: latency, memory, temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgeunet.latency.quantiles import Quantile, Samples, samples_needed, summarize
from edgeunet.latency.record import TOTAL, LatencyRecord

BYTES_OF_A_TIME = 8  # what a measuring process keeps of each sample: its start and a time for each stage


@dataclass(frozen=True)
class Drift:
    """The first and the last tenth of the measuring time.

    first, last: median latency in ms, with exact intervals.
    memory_mb: by how much the process grew; own_mb of it are the samples themselves. None where it was not reported.
    warmest_c: of the first and the last tenth, the sensor that became hottest. None where there is no sensor.
    """

    first: Quantile
    last: Quantile
    memory_mb: float | None
    own_mb: float
    warmest_c: tuple[str, float, float] | None

    @property
    def change(self) -> float:
        """Of the median, as a share: 0.02 is 2 % slower at the end; NaN where the first calls took no time."""
        return self.last.value / self.first.value - 1 if self.first.value else math.nan

    @property
    def clear(self) -> bool:
        """Whether the intervals of the two medians are apart, so that the change is not chance."""
        (low, high), (first_low, first_high) = self.last.interval or (0.0, 0.0), self.first.interval or (0.0, 0.0)
        return low > first_high or high < first_low


def drift(record: LatencyRecord) -> Drift | None:
    """The drift of a record; None where a tenth of it has too few samples for the interval of a median."""
    length = record.starts_ms[-1]
    tenths = _tenths(record.starts_ms, record.samples_ms[TOTAL], length)
    if min(map(len, tenths)) < samples_needed(0.5):
        return None
    first, last = (summarize(tenth).p50 for tenth in tenths)
    own = len(record.starts_ms) * (1 + len(record.samples_ms)) * BYTES_OF_A_TIME / 1e6
    return Drift(first, last, _memory(record), own, _warmest(record))


def _memory(record: LatencyRecord) -> float | None:
    ends = _telemetry_ends(record, "process_mb")
    return None if ends is None else ends[1] - ends[0]


def _warmest(record: LatencyRecord) -> tuple[str, float, float] | None:
    names = [name for name in (record.telemetry.values if record.telemetry else ()) if name.endswith("_c")]
    found = [(name, *ends) for name in names if (ends := _telemetry_ends(record, name)) is not None]
    return max(found, key=lambda sensor: sensor[2], default=None)


def _telemetry_ends(record: LatencyRecord, name: str) -> tuple[float, float] | None:
    """Medians of a sensor over the first and the last tenth; None where it did not answer in one of them."""
    telemetry = record.telemetry
    if telemetry is None or name not in telemetry.values:
        return None
    first, last = _tenths(telemetry.times_ms, telemetry.values[name], record.starts_ms[-1])
    first, last = first[np.isfinite(first)], last[np.isfinite(last)]
    return (float(np.median(first)), float(np.median(last))) if len(first) and len(last) else None


def _tenths(times_ms: Samples, values: Samples, length_ms: float) -> tuple[Samples, Samples]:
    """Values of the first and of the last tenth of `length_ms`."""
    return (
        values[(times_ms >= 0) & (times_ms < length_ms * 0.1)],
        values[(times_ms > length_ms * 0.9) & (times_ms <= length_ms)],
    )
