"""What the machine did during a measurement: the sensors below the latency over time, and in a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeunet.latency.quantiles import Samples
from edgeunet.latency.record import TOTAL, LatencyRecord, Telemetry
from edgeunet_bench.render.plots import INK, LIMIT, banded, cycle, label, panel_legend, panels, svg
from edgeunet_bench.render.tables import NONE, TextTable, share

UNITS = {"mhz": "clock, MHz", "c": "°C", "mw": "power, W", "percent": "busy, %", "mb": "memory, MB"}
SCALE = {"mw": 1e-3}  # of what is drawn
POINTS = 2000  # samples that are drawn one by one; of more, the extremes and the median of each part of the time
MINUTES_FROM_S = 180  # on, the axis counts minutes
LIKE = 3  # sensors that differ by a number only are drawn as one from here on


def over_time(record: LatencyRecord) -> str:
    """Every sample at the time at which it began, and the sensors of the record's telemetry below, by unit."""
    telemetry = record.telemetry
    groups = by_unit(telemetry) if telemetry else {}
    long = record.starts_ms[-1] / 1000 > MINUTES_FROM_S
    per_unit = 60_000 if long else 1000
    fig, (latency, *others) = panels(
        "minutes since the first frame" if long else "seconds since the first frame",
        ["latency, ms", *(UNITS[unit] for unit in groups)],
    )
    _draw_latency(latency, record, per_unit)
    if telemetry is not None:
        for axes, (unit, sensors) in zip(others, groups.items(), strict=True):
            _draw_sensors(axes, telemetry.times_ms / per_unit, sensors, SCALE.get(unit, 1.0))
            if unit == "percent":
                axes.set_ylim(0, 105)
        _shade_throttling(latency, telemetry, per_unit)
    return svg(fig, latency)


def by_unit(telemetry: Telemetry) -> dict[str, dict[str, list[Samples]]]:
    """Sensors that answered, in the order of UNITS: unit → name → one series, (k,), for each sensor of that name.

    Sensors that differ by a number only ("cpu0_mhz", "cpu1_mhz", ...) share a name if there are LIKE of them or more.
    """
    known = {name: values for name, values in telemetry.values.items() if np.isfinite(values).any()}
    likes: dict[str, list[str]] = {}
    for name in known:
        likes.setdefault(re.sub(r"\d+", "#", name), []).append(name)
    groups: dict[str, dict[str, list[Samples]]] = {unit: {} for unit in UNITS}
    for like, names in likes.items():
        sensor, _, unit = like.rpartition("_")
        if unit not in groups:
            continue
        if len(names) >= LIKE:
            groups[unit][f"{sensor.replace('#', '')} ({len(names)})"] = [known[name] for name in names]
        else:
            groups[unit] |= {name.rpartition("_")[0]: [known[name]] for name in names}
    return {unit: sensors for unit, sensors in groups.items() if sensors}


def _draw_latency(axes: Any, record: LatencyRecord, per_unit: float) -> None:
    times, total = record.starts_ms / per_unit, record.samples_ms[TOTAL]
    (color,) = cycle(1)
    if len(total) <= POINTS:
        axes.plot(times, total, ".", markersize=3, color=color, label="each frame")
    else:
        band = banded(times, total)
        axes.fill_between(band.times, band.low, band.high, color=color, alpha=0.25, linewidth=0)
        axes.plot(band.times, band.high, ".", markersize=2.5, color=color, label="maximum")
        axes.plot(band.times, band.middle, color=INK, linewidth=1, label="median")
    if record.deadline_ms is not None:
        axes.axhline(record.deadline_ms, color=LIMIT, linewidth=1, linestyle="--", label="deadline")
    axes.set_ylim(bottom=0)


def _draw_sensors(axes: Any, times: Samples, sensors: Mapping[str, list[Samples]], scale: float) -> None:
    for (name, series), color in zip(sensors.items(), cycle(len(sensors)), strict=True):
        band = banded(np.tile(times, len(series)), np.concatenate(series) * scale)
        axes.fill_between(band.times, band.low, band.high, color=color, alpha=0.25, linewidth=0)
        axes.plot(band.times, band.middle, color=color, linewidth=1.2, label=label(name))
    panel_legend(axes)
    axes.margins(y=0.15)


def _shade_throttling(axes: Any, telemetry: Telemetry, per_unit: float) -> None:
    times = telemetry.times_ms / per_unit
    throttled = np.nan_to_num(telemetry.values.get("throttled", np.zeros(len(times)))) > 0
    if throttled.any():
        whole = axes.get_xaxis_transform()
        style = {"color": LIMIT, "alpha": 0.15, "linewidth": 0, "label": "throttled"}
        axes.fill_between(times, 0, 1, where=throttled, step="mid", transform=whole, **style)
    if (times < 0).any():
        axes.axvline(0, color=INK, linewidth=0.6, alpha=0.5)


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
