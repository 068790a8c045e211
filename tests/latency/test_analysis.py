from __future__ import annotations

import numpy as np

from edgeunet.latency.analysis import analyse
from edgeunet.latency.quantiles import summarize
from tests.bench.records import toy_record, toy_telemetry


def test_a_record_is_analysed_once_for_all_outputs() -> None:
    record = toy_record(
        np.linspace(9, 11, 400), mode="paced", period_ms=20.0, deadline_ms=10.0, telemetry=toy_telemetry(watts=8.0)
    )
    found = analyse(record)
    assert found.record is record
    assert found.deadlines is not None
    assert found.deadlines.misses == 200
    assert found.jitter == summarize(np.abs(np.diff(record.samples_ms["total"])))
    assert found.drift is not None
    assert found.energy is not None


def test_what_a_record_cannot_tell_is_none() -> None:
    found = analyse(toy_record(np.ones(9)))
    assert (found.deadlines, found.jitter, found.drift, found.energy) == (None, None, None, None)
