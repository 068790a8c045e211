"""The tables of terminal and report, as text: one place decides units and digits."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from edgeunet.evaluation.scores_file import SavedScores
from edgeunet.latency.quantiles import Quantile, samples_needed
from edgeunet.latency.record import TOTAL, LatencyRecord
from edgeunet.utils import console
from edgeunet.utils.formatting import percentage
from edgeunet_bench.render.names import record_names

NONE = "–"
UNSURE = "*"
CLOSED_LOOP = ("single", "soak")  # modes in which the next frame waits for the last; only there a latency is a rate


@dataclass(frozen=True)
class TextTable:
    """Cells as they are shown; `text_columns` of them from the left are words, the others are numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1
    note: str = ""


def summary_table(records: Sequence[LatencyRecord], scores: Mapping[str, SavedScores]) -> TextTable:
    """One row for each record. scores: by model_sha256."""
    rows = []
    for record, name in zip(records, record_names(records), strict=True):
        subject, summary = record.subject, record.summary()
        accuracy = scores.get(subject.model_sha256)
        rows.append(
            (
                name,
                subject.precision or NONE,
                _input(record),
                f"{subject.size_bytes / 1e6:.2f}" if subject.size_bytes else NONE,
                percentage(accuracy.miou) if accuracy else NONE,
                *(milliseconds(q.value) + unsure(q) for q in (summary.p50, summary.p90, summary.p99)),
                milliseconds(summary.max),
                _rate(record),
            )
        )
    header = ("record", "precision", "input", "MB", "mIoU %", "p50", "p90", "p99", "max", "fps")
    return TextTable(header, tuple(rows), text_columns=2, note=_summary_note(records))


def _input(record: LatencyRecord) -> str:
    """256×320, or 2x3 of 256×320 where a frame has tiles."""
    size, tiles = record.subject.input_size, record.machine.get("tiles")
    return (f"{tiles} of " if tiles else "") + "×".join(map(str, size)) if any(size) else NONE


def _rate(record: LatencyRecord) -> str:
    p50_ms = record.summary().p50.value
    return f"{1000 / p50_ms:.1f}" if record.mode in CLOSED_LOOP and not record.period_ms and p50_ms else NONE


def stage_table(record: LatencyRecord, bounds: Collection[str]) -> TextTable:
    """One column for each stage, one row for each statistic, in ms; with the intervals of the stages in `bounds`."""
    columns = []
    for stage in (*record.stages, TOTAL):
        summary = record.summary(stage)
        quantiles = (bounded(q) if stage in bounds else milliseconds(q.value) + unsure(q) for q in summary.quantiles)
        name = "end to end" if stage == TOTAL else stage
        columns.append((name, milliseconds(summary.min), *quantiles, milliseconds(summary.max)))
    names = ("", "min", *(q.name for q in record.summary().quantiles), "max")
    header, *rows = zip(names, *columns, strict=True)
    return TextTable(tuple(header), tuple(rows))


def transposed(table: TextTable) -> TextTable:
    """Rows and columns exchanged."""
    header, *rows = zip(table.header, *table.rows, strict=True)
    return TextTable(tuple(header), tuple(rows), note=table.note)


def class_table(scores: Iterable[SavedScores]) -> TextTable:
    """IoU of each class in percent, one column for each model; boundary F1 where a file has it."""
    scores = list(scores)
    names = list(dict.fromkeys(name for s in scores for name in s.iou))
    boundary = [s.mean_boundary_f1 for s in scores]
    rows = [
        ("mIoU", *(percentage(s.miou) for s in scores)),
        ("pixels right", *(percentage(s.accuracy) for s in scores)),
        *([("boundary F1, mean", *map(percentage, boundary))] if any(b is not None for b in boundary) else []),
        *((name, *(percentage(s.iou.get(name)) for s in scores)) for name in names),
    ]
    return TextTable(("", *(f"{s.model} ({s.precision})" for s in scores)), tuple(rows))


def facts_table(columns: Mapping[str, Mapping[str, str]]) -> TextTable:
    """One row for each fact, one column for each mapping by its name; those that are the same share a column."""
    shared: list[tuple[list[str], Mapping[str, str]]] = []
    for name, column in columns.items():
        alike = next((names for names, known in shared if known == column), None)
        if alike is None:
            shared.append(([name], column))
        else:
            alike.append(name)
    facts = list(dict.fromkeys(fact for _, column in shared for fact in column))
    rows = [(fact.replace("_", " "), *(column.get(fact) or NONE for _, column in shared)) for fact in facts]
    heads = ["all" if len(shared) == 1 and len(names) > 2 else "; ".join(names) for names, _ in shared]
    return TextTable(("", *heads), tuple(rows), text_columns=1 + len(shared))


def milliseconds(value: float) -> str:
    """At least three digits, and thousandths at most: a microsecond is what the clock is good for."""
    return f"{value:.{1 if value >= 100 else 2 if value >= 1 else 3}f}"


def when(created: str) -> str:
    """ "2026-01-02T03:04:05+00:00" → "2026-01-02 03:04 UTC"."""
    return datetime.fromisoformat(created).astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def share(value: float) -> str:
    """In percent, with two digits that count however small: 0.00033 → "0.033 %"."""
    percent = value * 100
    digits = 1 if percent >= 1 or percent == 0 else 1 - math.floor(math.log10(percent))
    return f"{percent:.{digits}f} %"


def change(ratio: float) -> str:
    """By how much a time differs, in percent of the other: 1.034 → "+3.4 %", 0.966 → "−3.4 %"."""
    return NONE if math.isnan(ratio) else f"{(ratio - 1) * 100:+.1f} %".replace("-", "−")


def bounded(quantile: Quantile) -> str:
    """The value and its bounds in ms: "12.34 (12.01–12.90)"."""
    return f"{milliseconds(quantile.value)} ({interval(quantile)})"


def interval(quantile: Quantile) -> str:
    """The bounds in ms, or that there are too few samples for them."""
    if quantile.interval is None:
        return "insufficient"
    low, high = quantile.interval
    return f"{milliseconds(low)}–{milliseconds(high)}"


def unsure(quantile: Quantile) -> str:
    """The mark of a quantile without interval."""
    return UNSURE if quantile.interval is None else ""


def print_table(table: TextTable, title: str = "") -> None:
    """On stdout, with its note below."""
    console.table(title, table.header, table.rows)
    if table.note:
        console.stdout().print(table.note)


def _summary_note(records: Sequence[LatencyRecord]) -> str:
    parts = ["end to end in ms; max is the maximum observed; fps is frames per second at p50"]
    if any(unsure(r.summary().p99) for r in records):
        parts.append(f"{UNSURE}\N{NO-BREAK SPACE}too few samples for an upper bound (p99: {samples_needed(0.99)})")
    partial = [name for name, record in zip(record_names(records), records, strict=True) if record.partial]
    if partial:
        parts.append(f"partial: {', '.join(partial)}")
    return "; ".join(parts)
