"""The tables of terminal and report, as text: one place decides units and digits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.scores import Scores
from edgeunet.record import TOTAL, LatencyRecord, Quantile, samples_needed

if TYPE_CHECKING:
    from rich.table import Table

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
                f"{accuracy.miou:.3f}" if accuracy else NONE,
                *(milliseconds(q.value) + unsure(q) for q in (summary.p50, summary.p90, summary.p99)),
                milliseconds(summary.max),
                f"{1000 / summary.p50.value:.1f}",
            )
        )
    header = ("model", "precision", "input", "MB", "mIoU", "p50", "p90", "p99", "max", "frames/s")
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
    """IoU of each class, one column for each model."""
    scores = list(scores)
    names = list(dict.fromkeys(name for s in scores for name in s.iou))
    rows = [
        ("mIoU", *(f"{s.miou:.3f}" for s in scores)),
        ("pixel accuracy", *(f"{s.accuracy:.3f}" for s in scores)),
        *((name, *(_iou(s.iou.get(name)) for s in scores)) for name in names),
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


def interval(quantile: Quantile) -> str:
    """The bounds in ms, or that there are too few samples for them."""
    if quantile.interval is None:
        return "insufficient"
    low, high = quantile.interval
    return f"{milliseconds(low)}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{milliseconds(high)}"


def unsure(quantile: Quantile) -> str:
    """The mark of a quantile without interval."""
    return UNSURE if quantile.interval is None else ""


def rich_table(table: TextTable) -> Table:
    """For the terminal: fits 80 columns as long as the model's name is short, and folds it otherwise."""
    from rich import box
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), caption=table.note or None)
    shown.caption_justify = "left"
    for i, name in enumerate(table.header):
        words = i < table.text_columns
        shown.add_column(
            name,
            justify="left" if words else "right",
            no_wrap=not words,
            overflow="fold",
            style="bold" if i == 0 else "",
        )
    for row in table.rows:
        shown.add_row(*row)
    return shown


def _summary_note(records: Sequence[LatencyRecord]) -> str:
    parts = ["end to end in ms; max is the maximum observed"]
    if any(unsure(r.summary().p99) for r in records):
        parts.append(f"{UNSURE} too few samples for an upper bound (p99: {samples_needed(0.99)})")
    if any(r.partial for r in records):
        parts.append("partial: " + ", ".join(r.subject.model for r in records if r.partial))
    return "; ".join(parts)


def _iou(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"
