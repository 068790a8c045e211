"""What a measurement is to be: what does not go together is refused."""

from __future__ import annotations

from typing import Any

import pytest

from edgeunet.errors import UsageError
from edgeunet_bench.measure.measure_options import MeasureOptions


def test_each_mode_has_its_own_length() -> None:
    assert MeasureOptions().length_s == 5.0
    assert MeasureOptions("soak").length_s == 1800.0
    assert MeasureOptions("paced", seconds=3, fps=25).length_s == 3
    assert MeasureOptions("paced", fps=25).period_ms == 40.0
    assert MeasureOptions("soak").period_ms is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seconds": 0}, r"--seconds is from 0\.001 to .*, got 0"),
        ({"seconds": float("nan")}, "got nan"),
        ({"mode": "soak", "seconds": float("inf")}, "got inf"),
        ({"max_frames": 0}, "--max-frames is from 1 to .*, got 0"),
        ({"max_frames": 10**30}, "--max-frames"),
        ({"mode": "paced", "fps": 0.0}, "--fps is from .*, got 0"),
        ({"deadline_ms": -1}, "--deadline-ms is from .*, got -1"),
        ({"mode": "fast"}, "unknown mode 'fast': choose one of single, paced, soak, cold"),
        ({"mode": "paced"}, "give --fps"),
        ({"fps": 30.0}, "with --fps give --mode paced"),
        ({"mode": "cold", "processes": 0}, "--processes is from 1 to .*, got 0"),
        ({"mode": "cold", "seconds": 5}, "counts processes"),
        ({"mode": "cold", "fps": 30}, "counts processes"),
        ({"processes": 11}, "--processes is for the mode cold"),
    ],
)
def test_senseless_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        MeasureOptions(**options)
