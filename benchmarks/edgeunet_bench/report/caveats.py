"""Runs that are invalid, partial or not to be trusted: shown like all others, and named once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgeunet.latency.record import LatencyRecord
from edgeunet_bench.guard.comparison import Comparison
from edgeunet_bench.guard.judging.judgement import Verdict
from edgeunet_bench.render.tables import TextTable, when

VOID = (Verdict.INVALID, Verdict.REFUSED)


def doubts_table(records: Mapping[str, LatencyRecord], comparisons: Mapping[str, Comparison]) -> TextTable:
    """A row for each reason why a run, by its name, is worth less than it seems."""
    rows = [
        *((name, when(c.created), reason) for name, c in comparisons.items() for reason in _of_comparison(c)),
        *((name, when(r.created), reason) for name, r in records.items() for reason in _of_record(r)),
    ]
    return TextTable(("run", "measured", "why"), tuple(rows), text_columns=3)


def _of_comparison(comparison: Comparison) -> Iterator[str]:
    if comparison.partial:
        yield "interrupted: there is no verdict"
    if comparison.judgement.verdict in VOID:
        yield f"{comparison.judgement.verdict.name}: {comparison.judgement.reason}"


def _of_record(record: LatencyRecord) -> Iterator[str]:
    if record.partial:
        yield "interrupted: it holds what was measured until then"
    if not record.warmup_settled:
        yield f"the times had not settled after {record.warmup_frames} warm-up frames"
    if record.telemetry is not None and record.telemetry.throttled:
        yield "the machine slowed itself down (throttled) meanwhile"
