"""The table of the power modes."""

from __future__ import annotations

from collections.abc import Iterator

from edgeunet.latency.energy import energy
from edgeunet.latency.quantiles import samples_needed
from edgeunet_bench.power_modes.modes_file import MeasuredMode, Modes
from edgeunet_bench.render.tables import NONE, UNSURE, TextTable, milliseconds, unsure


def modes_table(modes: Modes) -> TextTable:
    """A row for each mode that was measured, in the order in which they were."""
    header = ("mode", "p50", "p99", "mJ per frame", "hottest °C", "throttled")
    parts = ["end to end in ms; energy is gross, idle power included", f"{modes.found.name} is restored"]
    if any(unsure(m.record.summary().p99) for m in modes.measured):
        parts.append(f"{UNSURE}\N{NO-BREAK SPACE}too few samples for an upper bound (p99: {samples_needed(0.99)})")
    if modes.partial:
        parts.append("partial: it was interrupted")
    return TextTable(header, tuple(map(_row, modes.measured)), note="; ".join(parts))


def skipped_lines(modes: Modes) -> Iterator[str]:
    """A line for each mode that was not measured."""
    for skipped in modes.skipped:
        yield f"not measured: {skipped.mode.name} (number {skipped.mode.number}): {skipped.reason}"


def _row(measured: MeasuredMode) -> tuple[str, ...]:
    record = measured.record
    summary, drawn, telemetry = record.summary(), energy(record), record.telemetry
    zones = [] if telemetry is None else [v for name, v in telemetry.values.items() if name.endswith("_c")]
    hottest = max((float(v) for zone in zones for v in zone if v == v), default=None)
    return (
        measured.mode.name,
        *(milliseconds(q.value) + unsure(q) for q in (summary.p50, summary.p99)),
        NONE if drawn is None else f"{drawn.gross_mj:.1f}",
        NONE if hottest is None else f"{hottest:.0f}",
        NONE if telemetry is None or "throttled" not in telemetry.values else "yes" if telemetry.throttled else "no",
    )
