"""Caveats: why a run proves less than it seems. Such a run is shown like all others, and also listed here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from edgeunet.latency.record import TOTAL, LatencyRecord
from edgeunet_bench.guard.comparison import Comparison
from edgeunet_bench.guard.judging.judgement import Verdict
from edgeunet_bench.measure.loops import WAIT
from edgeunet_bench.render.tables import TextTable, milliseconds, when

VOID = (Verdict.INVALID, Verdict.REFUSED)


def caveats_table(records: Mapping[str, LatencyRecord], comparisons: Mapping[str, Comparison]) -> TextTable:
    """A row for each caveat of a run, by its name."""
    rows = [
        *((name, when(c.created), reason) for name, c in comparisons.items() for reason in comparison_caveats(c)),
        *((name, when(r.created), reason) for name, r in records.items() for reason in record_caveats(r)),
    ]
    return TextTable(("run", "measured", "why"), tuple(rows), text_columns=3)


def comparison_caveats(comparison: Comparison) -> Iterator[str]:
    if comparison.partial:
        yield "interrupted: there is no verdict"
    if comparison.judgement.verdict in VOID:
        yield f"{comparison.judgement.verdict.name}: {comparison.judgement.reason}"


def record_caveats(record: LatencyRecord) -> Iterator[str]:
    if record.telemetry is not None and record.telemetry.throttled:
        yield "the machine throttled (lowered its clocks) meanwhile: cool it, or measure a shorter time"
    if not record.warmup_settled:
        yield (
            f"the time had not settled after {record.warmup_frames} warm-up calls: "
            "end other programs, or check how the times change"
        )
    if record.period_ms is not None:
        work_ms = float(np.median(record.samples_ms[TOTAL] - record.samples_ms.get(WAIT, 0.0)))
        if work_ms > record.period_ms:
            yield (
                f"a frame takes {milliseconds(work_ms)} ms and one came every {milliseconds(record.period_ms)} ms: "
                f"the queue and the latency grow without end; give --fps {1000 / work_ms:.0f} or less"
            )
    if record.partial:
        yield "interrupted: the record holds what was measured until then, and is marked as partial"
