"""Tables of a record's deadlines, age, drift and energy."""

from __future__ import annotations

from collections.abc import Mapping

from edgeunet.latency.analysis import Analysis
from edgeunet.latency.quantiles import Summary, summarize
from edgeunet.latency.record import LatencyRecord
from edgeunet.utils.formatting import count
from edgeunet_bench.render.tables import NONE, TextTable, bounded, change, milliseconds, share


def deadline_table(found: Mapping[str, Analysis]) -> TextTable:
    """Misses of every record that has a deadline, and the bounds of their true share."""
    rows = []
    for name, analysis in found.items():
        if (d := analysis.deadlines) is not None:
            figures = count(d.n), count(d.misses), share(d.share), share(d.upper_95), share(d.upper_99)
            rows.append((name, milliseconds(d.deadline_ms), *figures, count(d.longest_streak)))
    header = ("record", "deadline", "n", "misses", "share", "at most, 95 %", "at most, 99 %", "longest streak")
    return TextTable(header, tuple(rows))


def age_table(found: Mapping[str, Analysis]) -> TextTable:
    """Age and jitter of the masks of live frames."""
    rows = []
    for name, analysis in found.items():
        record = analysis.record
        if analysis.jitter is not None:
            period = NONE if record.period_ms is None else milliseconds(record.period_ms)
            dropped = NONE if record.dropped is None else count(record.dropped)
            rows.append((name, "age", period, dropped, *spread(record.summary())))
            rows.append((name, "jitter", period, NONE, *spread(analysis.jitter)))
    return TextTable(("record", "", "period", "dropped", *SPREAD), tuple(rows), text_columns=2)


def others_table(records: Mapping[str, LatencyRecord]) -> TextTable:
    """What a record holds in addition to its total."""
    rows = [
        (name, what, count(len(samples)), *spread(summarize(samples)))
        for name, record in records.items()
        for what, samples in record.others_ms.items()
    ]
    return TextTable(("record", "", "n", *SPREAD), tuple(rows), text_columns=2)


def drift_table(found: Mapping[str, Analysis]) -> TextTable:
    """First and last tenth of every soak that is long enough to have them."""
    rows = []
    for name, analysis in found.items():
        if (d := analysis.drift) is not None and analysis.record.mode == "soak":
            memory = NONE if d.memory_mb is None else f"{d.memory_mb:+.1f} ({d.own_mb:.1f})"
            warmest = NONE
            if d.warmest_c is not None:
                sensor, first, last = d.warmest_c
                warmest = f"{sensor.removesuffix('_c')} {first:.1f} → {last:.1f}"
            moved = f"{change(1 + d.change)}{'' if d.clear else ' (within chance)'}"
            rows.append((name, bounded(d.first), bounded(d.last), moved, memory, warmest))
    header = ("record", "first tenth", "last tenth", "change", "process, MB (samples)", "warmest, °C")
    return TextTable(header, tuple(rows))


def energy_table(found: Mapping[str, Analysis]) -> TextTable:
    """Energy of a frame for every record with measured power."""
    rows = []
    for name, analysis in found.items():
        telemetry, energy = analysis.record.telemetry, analysis.energy
        if telemetry is not None and energy is not None:
            idle = NONE if telemetry.idle_mw is None else f"{telemetry.idle_mw / 1000:.2f}"
            above = NONE if energy.net_mj is None else f"{energy.net_mj:.1f}"
            sampling = f"{telemetry.hz:.1f}", f"{telemetry.cost * 100:.1f} %"
            rows.append((name, " + ".join(telemetry.rails), idle, f"{energy.gross_mj:.1f}", above, *sampling))
    header = ("record", "rails", "idle, W", "gross, mJ", "net, mJ", "samples per second", "sampling, of a core")
    return TextTable(header, tuple(rows), text_columns=2)


SPREAD = ("min", "p50", "p90", "p99", "p99.9", "max")


def spread(summary: Summary) -> tuple[str, ...]:
    """The cells below SPREAD, in ms with their intervals."""
    return (milliseconds(summary.min), *map(bounded, summary.quantiles), milliseconds(summary.max))
