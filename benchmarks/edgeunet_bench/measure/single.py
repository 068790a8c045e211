"""One frame after another, the next one when the last is done: the closed loop, and the warm-up before any loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median

from edgeunet.imaging.letterbox import UInt8
from edgeunet.runtime import Session
from edgeunet_bench.measure.calls import Calls, TimedCall
from edgeunet_bench.measure.gauge import Gauge
from edgeunet_bench.measure.options import MeasureOptions

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

    call: gives how long it took, in ns. Returns the number of calls and whether it settled.
    Traced for 5 s from the first call, 5 times each with FP32 and INT8 in ONNX Runtime and OpenVINO on 2 shared cores:
    the first 2 to 6 calls are slow, and then the neighbours change the time more than any warm-up. Five windows, 3 or
    2 %, and minima in place of medians came no nearer to the later times in all four.
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


def closed_loop(session: Session, frames: Sequence[UInt8], options: MeasureOptions, calls: Calls, gauge: Gauge) -> None:
    """Append to `calls`, so that they outlive an interruption."""
    begin = time.perf_counter_ns()
    while (passed := time.perf_counter_ns() - begin) < options.length_s * 1e9 and len(calls) != options.max_frames:
        call = timed_call(session, frames[len(calls) % len(frames)])
        calls.append(call)
        gauge.show(passed / 1e9, f"{len(calls)} frames, {call.total / 1e6:.1f} ms")
