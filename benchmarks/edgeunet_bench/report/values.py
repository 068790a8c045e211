"""The report for scripts: every figure with its bounds and its unit, at full precision, as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from edgeunet.evaluation.scores_file import SavedScores
from edgeunet.latency.analysis import Analysis
from edgeunet.latency.quantiles import Summary, summarize
from edgeunet.version import __version__
from edgeunet_bench.guard.judging.judgement import Judgement
from edgeunet_bench.guard.qualification import Qualification
from edgeunet_bench.report.report_inputs import ReportInputs
from edgeunet_bench.sweep.pareto import names
from edgeunet_bench.sweep.sweep_file import Sweep

SCHEMA = "edgeunet.report/1"


@dataclass(frozen=True)
class Value:
    """One figure. low, high: its bounds; None where there are none, or too few samples for them."""

    kind: str  # of what it was measured: "record", "scores", "comparison", "qualification", "sweep"
    name: str
    quantity: str  # "total", "infer", "mIoU", ...
    statistic: str  # "p99", "max", "n", ...
    value: float
    low: float | None
    high: float | None
    unit: str


def values(inputs: ReportInputs) -> Iterator[Value]:
    """All figures of the report."""
    for name, found in inputs.analyses.items():
        yield from _record(name, found)
    for name, comparison in inputs.named_comparisons.items():
        yield from _comparison(name, comparison.judgement)
    for s in inputs.scores.values():
        yield from _scores(s)
    for sweep in inputs.sweeps:
        yield from _sweep(sweep)
    for qualification in inputs.qualifications:
        yield from _qualification(qualification)


def as_json(inputs: ReportInputs) -> str:
    """What was measured, where, the verdicts, and every figure."""
    records = [
        {"name": name, "subject": asdict(r.subject), "machine": dict(r.machine), "mode": r.mode, "created": r.created}
        for name, r in ((name, found.record) for name, found in inputs.analyses.items())
    ]
    comparisons = [
        {"name": name, "verdict": c.judgement.verdict.name, "reason": c.judgement.reason, "created": c.created}
        for name, c in inputs.named_comparisons.items()
    ]
    report = {"schema": SCHEMA, "version": __version__, "measured": inputs.measured}
    figures = [asdict(value) for value in values(inputs) if math.isfinite(value.value)]
    return json.dumps({**report, "records": records, "comparisons": comparisons, "values": figures}, indent=2) + "\n"


def _record(name: str, found: Analysis) -> Iterator[Value]:
    record = found.record
    for stage in record.samples_ms:
        yield from _times("record", name, stage, record.summary(stage))
    for other, samples in record.others_ms.items():
        yield from _times("record", name, other, summarize(samples))
    if found.jitter is not None:
        yield from _times("record", name, "jitter", found.jitter)
    if record.dropped is not None:
        yield Value("record", name, "frames", "dropped", record.dropped, None, None, "")
    if (d := found.deadlines) is not None:
        yield Value("record", name, "deadline", "limit", d.deadline_ms, None, None, "ms")
        yield Value("record", name, "deadline", "missed", d.share, None, d.upper_95, "1")
        yield Value("record", name, "deadline", "longest streak", d.longest_streak, None, None, "")
    if (energy := found.energy) is not None:
        for statistic, drawn in (("gross", energy.gross_mj), ("net", energy.net_mj)):
            if drawn is not None:
                yield Value("record", name, "energy of a frame", statistic, drawn, None, None, "mJ")


def _comparison(name: str, j: Judgement) -> Iterator[Value]:
    if math.isnan(j.ratio):
        return
    yield Value("comparison", name, "median", "A", j.a_ms, None, None, "ms")
    yield Value("comparison", name, "median", "B", j.b_ms, None, None, "ms")
    yield Value("comparison", name, "median", "B / A", j.ratio, j.low, j.high, "1")
    yield Value("comparison", name, "median", "smallest detectable", j.detectable, None, None, "1")
    yield Value("comparison", name, "tail", "A", j.tail_a, None, None, "1")
    yield Value("comparison", name, "tail", "B", j.tail_b, None, None, "1")
    yield Value("comparison", name, "tail", "p", j.tail_p, None, None, "1")
    yield Value("comparison", name, "tail", "smallest detectable", j.tail_detectable, None, None, "1")


def _sweep(sweep: Sweep) -> Iterator[Value]:
    for row, name in zip(sweep.rows, names(sweep.rows), strict=True):
        yield from _times("sweep", name, "total", row.summary)
        if row.miou is not None:
            yield Value("sweep", name, "mIoU", "share", row.miou, None, None, "1")


def _times(kind: str, name: str, quantity: str, summary: Summary) -> Iterator[Value]:
    yield Value(kind, name, quantity, "n", summary.n, None, None, "")
    for statistic in ("min", "mean", "max"):
        yield Value(kind, name, quantity, statistic, getattr(summary, statistic), None, None, "ms")
    for q in summary.quantiles:
        low, high = q.interval or (None, None)
        yield Value(kind, name, quantity, q.name, q.value, low, high, "ms")


def _scores(s: SavedScores) -> Iterator[Value]:
    figures = {"mIoU": s.miou, "accuracy": s.accuracy, "boundary F1": s.mean_boundary_f1}
    figures |= {f"IoU of {name}": iou for name, iou in s.iou.items()}
    for quantity, share in figures.items():
        if share is not None:
            yield Value("scores", s.model, quantity, "share", share, None, None, "1")


def _qualification(qualification: Qualification) -> Iterator[Value]:
    for c in qualification.conditions:
        name = f"{c.workload}: {c.name}"
        for statistic, number in {"declared": c.declared, "needed": c.needed, **c.total}.items():
            yield Value("qualification", name, "trials", statistic, number, None, None, "")
        for rule, number in c.rules.items():
            yield Value("qualification", name, rule, "called slower", number, None, None, "")
