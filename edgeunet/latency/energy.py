"""The energy of a frame, from the power that the machine reported during a measurement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeunet.latency.record import TOTAL, LatencyRecord

# The samples of "cold" are whole processes with idle times between them: no frame has a share of that energy.
_MODES_WITHOUT = ("cold",)


@dataclass(frozen=True)
class FrameEnergy:
    """The mean of all frames, from the first one's start to the last one's end.

    gross_mj: what the rails drew for it, idle draw included: the integral of the power by the trapezoidal rule.
    idle_mj: what the idle machine would have drawn in its time; None where that was not measured.
    """

    gross_mj: float
    idle_mj: float | None

    @property
    def net_mj(self) -> float | None:
        """What it drew above the idle machine."""
        return None if self.idle_mj is None else self.gross_mj - self.idle_mj


def energy(record: LatencyRecord) -> FrameEnergy | None:
    """The energy of a record's frames; None where no power was reported during the measurement."""
    power_mw = _mean_mw(record)
    if power_mw is None or record.telemetry is None:
        return None
    seconds, frames, idle_mw = _seconds(record), len(record.starts_ms), record.telemetry.idle_mw
    return FrameEnergy(power_mw * seconds / frames, None if idle_mw is None else idle_mw * seconds / frames)


def _seconds(record: LatencyRecord) -> float:
    return float((record.starts_ms + record.samples_ms[TOTAL]).max() / 1000)


def _mean_mw(record: LatencyRecord) -> float | None:
    """Mean power of all rails during the measurement."""
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
