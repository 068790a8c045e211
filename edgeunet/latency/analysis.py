"""What is computed from a latency record, once, for terminal, tables and JSON: deadlines, jitter, drift and energy."""

from __future__ import annotations

from dataclasses import dataclass

from edgeunet.latency.deadlines import Deadlines, deadlines, jitter_ms
from edgeunet.latency.drift import Drift, drift
from edgeunet.latency.energy import FrameEnergy, energy
from edgeunet.latency.quantiles import Summary, summarize
from edgeunet.latency.record import LatencyRecord


@dataclass(frozen=True, eq=False)
class Analysis:
    """A record with its figures. None for figures that it does not have: no deadline, a closed loop, too short, no
    power."""

    record: LatencyRecord
    deadlines: Deadlines | None
    jitter: Summary | None
    drift: Drift | None
    energy: FrameEnergy | None


def analyse(record: LatencyRecord) -> Analysis:
    """Compute what the samples and the telemetry of a record say."""
    jitter = jitter_ms(record)
    return Analysis(
        record,
        deadlines(record),
        None if jitter is None else summarize(jitter),
        drift(record),
        energy(record),
    )
