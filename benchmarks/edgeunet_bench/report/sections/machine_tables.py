"""What the machine did beside a measurement, in tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeunet.latency.record import LatencyRecord, Telemetry
from edgeunet_bench.render.tables import NONE, TextTable, share
from edgeunet_bench.report.sections.machine_plots import SCALE, UNITS, by_unit

DIGITS = {"mhz": 0, "mb": 0, "mw": 2}  # behind the point, as drawn


def sensors_table(records: Mapping[str, LatencyRecord]) -> TextTable:
    """Median of every sensor with its lowest and highest value, one column for each record that has telemetry."""
    columns = {name: _sensors(r.telemetry) for name, r in records.items() if r.telemetry is not None}
    sensors = list(dict.fromkeys(sensor for column in columns.values() for sensor in column))
    rows = [(*sensor, *(column.get(sensor, NONE) for column in columns.values())) for sensor in sensors]
    return TextTable(("", "sensor", *columns), tuple(rows), text_columns=2)


def _sensors(telemetry: Telemetry) -> dict[tuple[str, str], str]:
    """(what it measures, its name) → "median (lowest–highest)", and how often it gave no answer."""
    cells = {}
    for unit, sensors in by_unit(telemetry).items():
        for sensor, series in sensors.items():
            values = np.concatenate(series) * SCALE.get(unit, 1.0)
            known = values[np.isfinite(values)]
            low, middle, high = (f"{v:.{DIGITS.get(unit, 1)}f}" for v in (known.min(), np.median(known), known.max()))
            silent = f", {share(1 - len(known) / len(values))} silent" if len(known) < len(values) else ""
            cells[UNITS[unit], sensor] = f"{middle} ({low}–{high}{silent})"
    return cells
