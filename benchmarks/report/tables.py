"""The tables of terminal and report, as text: one place decides units and digits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.report.scores import Scores
from edgeunet import console
from edgeunet.record import TOTAL, LatencyRecord, Quantile, samples_needed

NONE = "–"
UNSURE = "*"


@dataclass(frozen=True)
class TextTable:
    """Cells as they are shown; `text_columns` of them from the left are words, the others are numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1
    note: str = ""


def summary_table(records: Sequence[LatencyRecord], scores: Mapping[str, Scores]) -> TextTable:
    """One row for each record. scores: by model_sha256."""
    rows = []
    for record in records:
        subject, summary = record.subject, record.summary()
        accuracy = scores.get(subject.model_sha256)
        rows.append(
            (
                subject.model.removesuffix(".onnx"),
                subject.precision,
                f"{subject.input_size[0]}×{subject.input_size[1]}",
                f"{subject.size_bytes / 1e6:.2f}",
                percentage(accuracy.miou) if accuracy else NONE,
                *(milliseconds(q.value) + unsure(q) for q in (summary.p50, summary.p90, summary.p99)),
                milliseconds(summary.max),
                f"{1000 / summary.p50.value:.1f}",
            )
        )
    header = ("model", "precision", "input", "MB", "mIoU %", "p50", "p90", "p99", "max", "fps")
    return TextTable(header, tuple(rows), text_columns=2, note=_summary_note(records))


def stage_table(record: LatencyRecord, bounds: Collection[str]) -> TextTable:
    """One column for each stage, one row for each statistic, in ms; with the intervals of the stages in `bounds`."""
    columns = []
    for stage in (*record.stages, TOTAL):
        summary = record.summary(stage)
        quantiles = (
            f"{milliseconds(q.value)} ({interval(q)})" if stage in bounds else milliseconds(q.value) + unsure(q)
            for q in summary.quantiles
        )
        name = "end to end" if stage == TOTAL else stage
        columns.append((name, milliseconds(summary.min), *quantiles, milliseconds(summary.max)))
    names = ("", "min", *(q.name for q in record.summary().quantiles), "max")
    header, *rows = zip(names, *columns, strict=True)
    return TextTable(tuple(header), tuple(rows))


def class_table(scores: Iterable[Scores]) -> TextTable:
    """IoU of each class in percent, one column for each model."""
    scores = list(scores)
    names = list(dict.fromkeys(name for s in scores for name in s.iou))
    rows = [
        ("mIoU", *(percentage(s.miou) for s in scores)),
        ("pixels right", *(percentage(s.accuracy) for s in scores)),
        *((name, *(percentage(s.iou.get(name)) for s in scores)) for name in names),
    ]
    return TextTable(("", *(f"{s.model} ({s.precision})" for s in scores)), tuple(rows))


def facts_table(columns: Sequence[Mapping[str, str]], names: Sequence[str]) -> TextTable:
    """One row for each fact, one column for each mapping; one column for all where they agree."""
    if all(column == columns[0] for column in columns):
        columns, names = columns[:1], ("all records",) if len(columns) > 1 else names
    facts = list(dict.fromkeys(fact for column in columns for fact in column))
    rows = [(fact.replace("_", " "), *(column.get(fact) or NONE for column in columns)) for fact in facts]
    return TextTable(("", *names), tuple(rows), text_columns=1 + len(columns))


def milliseconds(value: float) -> str:
    """At least three digits, and thousandths at most: a microsecond is what the clock is good for."""
    return f"{value:.{1 if value >= 100 else 2 if value >= 1 else 3}f}"


def percentage(share: float | None) -> str:
    """0.6123 → "61.2"; a share of nothing is none."""
    return NONE if share is None else f"{share * 100:.1f}"


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
    parts = ["end to end in ms; max is the maximum observed; fps is frames a second at p50"]
    if any(unsure(r.summary().p99) for r in records):
        parts.append(f"{UNSURE}\N{NO-BREAK SPACE}too few samples for an upper bound (p99: {samples_needed(0.99)})")
    if any(r.partial for r in records):
        parts.append("partial: " + ", ".join(r.subject.model for r in records if r.partial))
    return "; ".join(parts)
