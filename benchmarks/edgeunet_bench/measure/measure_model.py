"""Measuring one model: warm up until the time has settled, then a loop over frames, nothing dropped.

The garbage collector stays on, as behind a camera; it is emptied once before the first sample.
"""

from __future__ import annotations

import gc
import math
import time
from pathlib import Path

from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.sensors.telemetry import Sampler
from edgeunet.errors import UsageError
from edgeunet.latency.record import LatencyRecord
from edgeunet.runtime import Session
from edgeunet.runtime.run_metadata import run_metadata_of
from edgeunet_bench.measure.calls import Calls
from edgeunet_bench.measure.input_frames import InputFrames
from edgeunet_bench.measure.live_progress import LiveProgress
from edgeunet_bench.measure.loops import closed_loop, open_loop, warm_up
from edgeunet_bench.measure.measure_options import MeasureOptions
from edgeunet_bench.measure.surroundings import commit_of, now, rest

MAX_WARMUP_S = 5.0
MAX_SAMPLES = 1_000_000  # of one record: a file of about 100 MB


def measure(session: Session, inputs: InputFrames, options: MeasureOptions) -> LatencyRecord:
    """Measure a session of open_session(), with a progress bar on stderr.

    Ctrl-C ends it early and keeps what was measured, marked as partial; before the first sample it
    stops the program. Raises UsageError if it would be more than MAX_SAMPLES.
    """
    calls = Calls()
    interrupted = False
    with Sampler() as sampler, LiveProgress("warming up (s)", options.length_s) as bar:
        idle_ns = rest(sampler)
        begin = time.perf_counter()
        warmup_frames, settled = warm_up(session, inputs.frames, MAX_WARMUP_S)
        _require_room(options, warmup_frames / (time.perf_counter() - begin))
        bar.title("measuring (s)")
        gc.collect()
        loop = closed_loop if options.fps is None else open_loop
        try:
            loop(session, inputs.frames, options, calls, bar)
        except KeyboardInterrupt:
            if not len(calls):
                raise
            interrupted = True
        else:
            bar.show(options.length_s, f"{len(calls)} frames", last=True)
    return LatencyRecord(
        subject=run_metadata_of(session, commit=commit_of(Path(__file__).parent)),
        machine=fingerprint(session.describe()),
        frames=inputs.name,
        mode=options.mode,
        created=now(),
        warmup_frames=warmup_frames,
        warmup_settled=settled,
        partial=interrupted,
        starts_ms=calls.starts_ms(),
        samples_ms=calls.samples_ms(),
        period_ms=options.period_ms,
        deadline_ms=options.deadline_ms or options.period_ms,
        telemetry=sampler.telemetry(calls.origin_ns, idle_ns),
    )


def _require_room(options: MeasureOptions, warm_fps: float) -> None:
    """Raise UsageError, before the work, if the record would be too large to keep every sample of it."""
    fps = options.fps or warm_fps
    expected = min(options.length_s * fps, options.max_frames or math.inf)
    if expected > MAX_SAMPLES:
        raise UsageError(
            f"{options.length_s:g} s of {fps:.0f} frames per second are {expected:.0f} samples, "
            f"and a record holds {MAX_SAMPLES}: give less time, or a lower --fps"
        )
