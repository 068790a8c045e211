"""The samples of a measurement while it runs."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeunet.latency.quantiles import Samples
from edgeunet.latency.record import TOTAL


@dataclass(frozen=True)
class TimedCall:
    """One measured call, in ns of time.perf_counter_ns(). stages: within `total`, in the order in which they ran."""

    start: int
    total: int
    stages: Mapping[str, int]


class Calls:
    """Measured calls, 8 bytes for each time: after an hour of soak the process has hardly grown by them."""

    def __init__(self) -> None:
        self._starts = array("q")
        self._totals = array("q")
        self._stages: dict[str, array[int]] = {}

    def append(self, call: TimedCall) -> None:
        """Keep a call; all of them have the same stages. One that Ctrl-C cuts short is not counted."""
        if not self._stages:
            self._stages = {name: array("q") for name in call.stages}
        self._starts.append(call.start)
        for name, times in self._stages.items():
            times.append(call.stages[name])
        self._totals.append(call.total)

    def __len__(self) -> int:
        return len(self._totals)

    @property
    def origin_ns(self) -> int:
        """When the first call began."""
        return self._starts[0]

    def starts_ms(self) -> Samples:
        """(n,) since the first call."""
        return self._ms(self._starts, self.origin_ns)

    def samples_ms(self) -> dict[str, Samples]:
        """(n,) of the whole call and of each stage."""
        return {TOTAL: self._ms(self._totals), **{name: self._ms(times) for name, times in self._stages.items()}}

    def _ms(self, times: array[int], origin_ns: int = 0) -> Samples:
        return (np.array(times[: len(self)], np.int64) - origin_ns) / 1e6
