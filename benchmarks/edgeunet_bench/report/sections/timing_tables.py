"""Tables of what a schedule, a deadline, a long time or a battery asks of a latency record."""

from __future__ import annotations

from collections.abc import Mapping

from edgeunet.latency.deadlines import deadlines, jitter_ms
from edgeunet.latency.drift import drift
from edgeunet.latency.energy import gross_mj, net_mj
from edgeunet.latency.quantiles import Summary, summarize
from edgeunet.latency.record import LatencyRecord
from edgeunet.utils.formatting import count
from edgeunet_bench.render.tables import NONE, TextTable, bounded, change, milliseconds, share


def deadline_table(records: Mapping[str, LatencyRecord]) -> TextTable:
    """Misses of every record that has a deadline, and the share that they may stand for."""
    rows = []
    for name, record in records.items():
        if (d := deadlines(record)) is not None:
            figures = count(d.n), count(d.misses), share(d.share), share(d.upper_95), share(d.upper_99)
            rows.append((name, milliseconds(d.deadline_ms), *figures, count(d.longest_streak)))
    header = ("record", "deadline", "n", "misses", "share", "at most, 95 %", "at most, 99 %", "longest streak")
    return TextTable(header, tuple(rows))


def age_table(records: Mapping[str, LatencyRecord]) -> TextTable:
    """Age of the masks of frames that came by themselves, and how unevenly they came out."""
    rows = []
    for name, record in records.items():
        if (jitter := jitter_ms(record)) is not None:
            period = NONE if record.period_ms is None else milliseconds(record.period_ms)
            dropped = NONE if record.dropped is None else count(record.dropped)
            rows.append((name, "age", period, dropped, *spread(record.summary())))
            rows.append((name, "jitter", period, NONE, *spread(summarize(jitter))))
    return TextTable(("record", "", "period", "dropped", *SPREAD), tuple(rows), text_columns=2)


def others_table(records: Mapping[str, LatencyRecord]) -> TextTable:
    """What was measured beside a record and is no part of its total."""
    rows = [
        (name, what, count(len(samples)), *spread(summarize(samples)))
        for name, record in records.items()
        for what, samples in record.others_ms.items()
    ]
    return TextTable(("record", "", "n", *SPREAD), tuple(rows), text_columns=2)


def drift_table(records: Mapping[str, LatencyRecord]) -> TextTable:
    """First and last tenth of every soak that is long enough to have them."""
    rows = []
    for name, record in records.items():
        found = drift(record) if record.mode == "soak" else None
        if found is not None:
            memory = NONE if found.memory_mb is None else f"{found.memory_mb:+.1f} ({found.own_mb:.1f})"
            warmest = NONE
            if found.warmest_c is not None:
                sensor, first, last = found.warmest_c
                warmest = f"{sensor.removesuffix('_c')} {first:.1f} → {last:.1f}"
            moved = f"{change(1 + found.change)}{'' if found.clear else ' (within chance)'}"
            rows.append((name, bounded(found.first), bounded(found.last), moved, memory, warmest))
    header = ("record", "first tenth", "last tenth", "change", "process, MB (samples)", "warmest, °C")
    return TextTable(header, tuple(rows))


def energy_table(records: Mapping[str, LatencyRecord]) -> TextTable:
    """Energy of a frame for every record beside which power was measured."""
    rows = []
    for name, record in records.items():
        telemetry, gross, net = record.telemetry, gross_mj(record), net_mj(record)
        if telemetry is not None and gross is not None:
            idle = NONE if telemetry.idle_mw is None else f"{telemetry.idle_mw / 1000:.2f}"
            above = NONE if net is None else f"{net:.1f}"
            sampling = f"{telemetry.hz:.1f}", f"{telemetry.cost * 100:.1f} %"
            rows.append((name, " + ".join(telemetry.rails), idle, f"{gross:.1f}", above, *sampling))
    header = ("record", "rails", "idle, W", "gross, mJ", "net, mJ", "samples per second", "sampling, of a core")
    return TextTable(header, tuple(rows), text_columns=2)


SPREAD = ("min", "p50", "p90", "p99", "p99.9", "max")


def spread(summary: Summary) -> tuple[str, ...]:
    """The cells below SPREAD, in ms with their intervals."""
    return (milliseconds(summary.min), *map(bounded, summary.quantiles), milliseconds(summary.max))
