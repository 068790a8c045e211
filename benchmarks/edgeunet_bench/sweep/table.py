"""The sweep's tables, for terminal and report."""

from __future__ import annotations

from collections.abc import Callable

from edgeunet.latency.quantiles import Quantile, samples_needed
from edgeunet.utils.formatting import percentage
from edgeunet_bench.render.tables import NONE, UNSURE, TextTable, interval, milliseconds, unsure
from edgeunet_bench.sweep.pareto import advice, latency_ms
from edgeunet_bench.sweep.sweep_file import Row, Sweep

UNSTEADY = 1.05  # ratio of two passes' medians from which on the note names the row


def sweep_table(sweep: Sweep, *, wide: bool = False) -> TextTable:
    """A row for each combination, the fastest first.

    wide: for the report, with size, parameters, the bounds of each quantile, and the advice in the note.
    """
    rows = sorted(sweep.rows, key=latency_ms)
    columns: list[tuple[str, Callable[[Row], str]]] = [
        ("model", lambda row: row.model.removesuffix(".onnx")),
        ("precision", lambda row: row.precision),
        ("backend", lambda row: row.backend),
        ("input", lambda row: _size(row.input_size)),
        ("thr.", lambda row: _known(row.threads)),
    ]
    if wide:
        columns.append(("MB", lambda row: f"{row.size_bytes / 1e6:.2f}"))
        columns.append(("parameters", lambda row: NONE if row.parameters is None else f"{row.parameters / 1e6:.2f} M"))
    if any(row.miou is not None for row in rows):
        columns.append(("mIoU %", lambda row: percentage(row.miou)))
    if any(row.energy_mj is not None for row in rows):
        columns.append(("mJ", lambda row: NONE if row.energy_mj is None else f"{row.energy_mj:.1f}"))
    columns += [
        ("p50", lambda row: _quantile(row.summary.p50, with_bounds=wide)),
        ("p90", lambda row: _quantile(row.summary.p90, with_bounds=wide)),
        ("p99", lambda row: _quantile(row.summary.p99, with_bounds=wide)),
    ]
    cells = tuple(tuple(cell(row) for _, cell in columns) for row in rows)
    note = f"{advice(sweep)}; {_note(sweep)}" if wide else _note(sweep)
    return TextTable(tuple(name for name, _ in columns), cells, text_columns=3, note=note)


def skipped_table(sweep: Sweep) -> TextTable:
    """What did not run, and why."""
    rows = tuple(
        (s.model, s.backend or NONE, _size(s.input_size) if s.input_size else NONE, _known(s.threads), s.reason)
        for s in sweep.skipped
    )
    return TextTable(("not run", "backend", "input", "threads", "reason"), rows, text_columns=5)


def skipped_lines(sweep: Sweep) -> list[str]:
    """The same for a terminal, where a reason does not fit into a column."""
    lines = []
    for name, backend, size, threads, reason in skipped_table(sweep).rows:
        where = ", ".join(filter(NONE.__ne__, (size, backend, f"{threads} threads" if threads != NONE else NONE)))
        lines.append(f"not run: {name}{f' ({where})' if where else ''}: {reason}")
    return lines


def _note(sweep: Sweep) -> str:
    runs = f"{sweep.passes} passes in random order, a fresh process each"
    parts = [f"end to end in ms, on {sweep.frames}; {runs}"]
    if sweep.labels:
        parts.append(f"mIoU on {sweep.labels}")
    if any(unsure(row.summary.p99) for row in sweep.rows):
        parts.append(f"{UNSURE}\N{NO-BREAK SPACE}too few samples for an upper bound (p99: {samples_needed(0.99)})")
    if unsteady := [row for row in sweep.rows if row.spread > UNSTEADY]:
        worst = max(row.spread for row in unsteady)
        parts.append(
            f"the machine was not steady: in {len(unsteady)} of {len(sweep.rows)} rows the passes differ, "
            f"by {(worst - 1) * 100:.0f} % at most"
        )
    if slowed := sum(row.throttled for row in sweep.rows):
        parts.append(f"the machine throttled in {slowed} of {len(sweep.rows)} rows: cool it, and sweep again")
    if sweep.partial:
        parts.append("partial: it was interrupted")
    return "; ".join(parts)


def _quantile(quantile: Quantile, *, with_bounds: bool) -> str:
    value = milliseconds(quantile.value)
    return f"{value} ({interval(quantile)})" if with_bounds else value + unsure(quantile)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}×{size[1]}"


def _known(value: int | None) -> str:
    return NONE if value is None else str(value)
