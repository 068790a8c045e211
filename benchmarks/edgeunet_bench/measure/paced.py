"""A frame at every tick of a schedule: the open loop.

A latency counts from the tick, so that a frame that waits for a late one before it pays for the wait (coordinated
omission: Tene, How NOT to Measure Latency, 2013). Every frame of the schedule is served, in order.
One frame at a time is in the session, as in the camera loop with a live source: several in flight are for files.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from edgeunet.imaging.letterbox import UInt8
from edgeunet.runtime import Session
from edgeunet_bench.measure.calls import Calls, TimedCall
from edgeunet_bench.measure.gauge import Gauge
from edgeunet_bench.measure.options import MeasureOptions

WAIT = "wait"
"""The stage from the tick to the start of the work: the time for which frames before it kept the session busy."""
SPIN_NS = 500_000  # before a tick: time.sleep() wakes 0.1 ms late, one time in a hundred 0.4 ms
SLACK_NS = 5_000_000  # to the next tick, in which the progress can be drawn


def open_loop(session: Session, frames: Sequence[UInt8], options: MeasureOptions, calls: Calls, gauge: Gauge) -> None:
    """Append to `calls`, so that they outlive an interruption; their starts are the ticks. options.fps is given."""
    period_ns = 1e6 * (options.period_ms or math.nan)
    count = min(math.ceil(options.length_s * 1e9 / period_ns), options.max_frames or math.inf)
    begin = time.perf_counter_ns() + round(period_ns)
    for number in range(int(count)):
        due = begin + round(number * period_ns)
        wait_until(due)
        start = time.perf_counter_ns()
        result = session.run(frames[number % len(frames)])
        end = time.perf_counter_ns()
        calls.append(TimedCall(due, end - due, {WAIT: start - due, **result.times_ns}))
        left = due + period_ns - end
        # Far behind, it is no longer the drawing that delays the next frame.
        if left > SLACK_NS or left < -period_ns or gauge.overdue:
            gauge.show((due - begin) / 1e9, f"{number + 1} frames, {(end - due) / 1e6:.1f} ms")


def wait_until(due_ns: int) -> None:
    """Sleep until shortly before a time of time.perf_counter_ns(), then watch the clock."""
    left = due_ns - time.perf_counter_ns()
    if left > SPIN_NS:
        time.sleep((left - SPIN_NS) / 1e9)
    while time.perf_counter_ns() < due_ns:
        pass
