"""The loops that call a session, and the warm-up before them.

Closed loop: one frame after another, the next one when the last is done. Open loop: a frame at every tick of a
schedule. There a latency counts from the tick, so that a frame that waits for a late one before it pays for the wait
(coordinated omission: Tene, How NOT to Measure Latency, 2013). Every frame of the schedule is served, in order.
One frame at a time is in the session, as in the camera loop with a live source: several in flight are for files.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from statistics import median

from edgeunet.imaging.letterbox import UInt8
from edgeunet.runtime import Session
from edgeunet_bench.measure.calls import Calls, TimedCall
from edgeunet_bench.measure.live_progress import LiveProgress
from edgeunet_bench.measure.measure_options import MeasureOptions

WINDOW_S = 0.1  # of warm-up calls whose median is compared with the windows before
WINDOW_CALLS = 3  # at least, where one call takes longer
SETTLED = 1.05  # ratio of the largest to the smallest of the last three medians


def timed_call(session: Session, frame: UInt8) -> TimedCall:
    """One frame in, one mask out."""
    start = time.perf_counter_ns()
    result = session.run(frame)
    return TimedCall(start, time.perf_counter_ns() - start, result.times_ns)


def warm_up(session: Session, frames: Sequence[UInt8], limit_s: float) -> tuple[int, bool]:
    """Call the session until its time has settled; see settle()."""
    return settle(lambda i: timed_call(session, frames[i % len(frames)]).total, limit_s)


def settle(call: Callable[[int], int], limit_s: float) -> tuple[int, bool]:
    """Make calls 0, 1, 2, … until the median time of a window has settled, or until a window ends after `limit_s`.

    call: returns its time, in ns. Returns the number of calls and whether it settled.
    Traced for 5 s from the first call, 5 times each with FP32 and INT8 in ONNX Runtime and OpenVINO on 2 shared cores:
    the first 2 to 6 calls are slow, then other programs change the time more than any warm-up. Five windows, 3 or 2 %,
    and minima in place of medians were no nearer to the later times in all four.
    """
    calls = 0
    medians: list[float] = []
    begin = time.perf_counter()
    while time.perf_counter() - begin < limit_s:
        window: list[int] = []
        while len(window) < WINDOW_CALLS or sum(window) < WINDOW_S * 1e9:
            window.append(call(calls))
            calls += 1
        medians.append(median(window))
        last = medians[-3:]
        if len(last) == 3 and max(last) <= SETTLED * min(last):
            return calls, True
    return calls, False


def closed_loop(
    session: Session, frames: Sequence[UInt8], options: MeasureOptions, calls: Calls, bar: LiveProgress
) -> None:
    """Append to `calls`, so that they outlive an interruption."""
    begin = time.perf_counter_ns()
    while (passed := time.perf_counter_ns() - begin) < options.length_s * 1e9 and len(calls) != options.max_frames:
        call = timed_call(session, frames[len(calls) % len(frames)])
        calls.append(call)
        bar.show(passed / 1e9, f"{len(calls)} frames, {call.total / 1e6:.1f} ms")


WAIT = "wait"
"""The stage from the tick to the start of the work: the time for which frames before it kept the session busy."""
SPIN_NS = 500_000  # before a tick: time.sleep() wakes 0.1 ms late, one time in a hundred 0.4 ms
SLACK_NS = 5_000_000  # to the next tick, in which the progress can be drawn


def open_loop(
    session: Session, frames: Sequence[UInt8], options: MeasureOptions, calls: Calls, bar: LiveProgress
) -> None:
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
        # Far behind, drawing is not what delays the next frame.
        if left > SLACK_NS or left < -period_ns or bar.overdue:
            bar.show((due - begin) / 1e9, f"{number + 1} frames, {(end - due) / 1e6:.1f} ms")


def wait_until(due_ns: int) -> None:
    """Sleep until shortly before a time of time.perf_counter_ns(), then watch the clock."""
    left = due_ns - time.perf_counter_ns()
    if left > SPIN_NS:
        time.sleep((left - SPIN_NS) / 1e9)
    while time.perf_counter_ns() < due_ns:
        pass
