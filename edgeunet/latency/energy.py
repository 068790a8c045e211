"""The energy of a frame, from the power that the machine reported beside a latency record."""

from __future__ import annotations

import numpy as np

from edgeunet.latency.record import TOTAL, LatencyRecord

# The samples of "cold" are whole processes with idle times between them: no frame has a share of that energy.
_MODES_WITHOUT = ("cold",)


def gross_mj(record: LatencyRecord) -> float | None:
    """mJ that the rails drew for each frame, from the first frame's start to the last one's end, idle draw included.

    The integral of the power by the trapezoidal rule. None where no power was reported during the measurement.
    """
    power_mw = _mean_mw(record)
    return None if power_mw is None else power_mw * _seconds(record) / record.summary().n


def idle_mj(record: LatencyRecord) -> float | None:
    """mJ that the idle machine would have drawn in the time of each frame; None where either was not measured."""
    if record.telemetry is None or record.telemetry.idle_mw is None or _mean_mw(record) is None:
        return None
    return record.telemetry.idle_mw * _seconds(record) / record.summary().n


def net_mj(record: LatencyRecord) -> float | None:
    """mJ of each frame above what the idle machine would have drawn; None where that was not measured."""
    gross, idle = gross_mj(record), idle_mj(record)
    return None if gross is None or idle is None else gross - idle


def _seconds(record: LatencyRecord) -> float:
    return float((record.starts_ms + record.samples_ms[TOTAL]).max() / 1000)


def _mean_mw(record: LatencyRecord) -> float | None:
    """Mean power of all rails while it was measured."""
    telemetry = record.telemetry
    if telemetry is None or not telemetry.rails or record.mode in _MODES_WITHOUT:
        return None
    times = telemetry.times_ms
    power = np.sum([telemetry.values[rail] for rail in telemetry.rails], axis=0)
    end = _seconds(record) * 1000
    known = np.isfinite(power)
    if end <= 0 or not (known & (times >= 0) & (times <= end)).any():
        return None
    inside = times[known & (times > 0) & (times < end)]
    at = np.concatenate([[0.0], inside, [end]])
    values = np.interp(at, times[known], power[known])
    return float((np.diff(at) * (values[1:] + values[:-1]) / 2).sum() / end)
