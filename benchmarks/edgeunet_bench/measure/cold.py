"""The time to the first mask: fresh processes, one after another, from their start to the first result.

What they read stays in the system's page cache, as after a restart of the program, not of the machine.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.sensors.telemetry import Sampler
from edgeunet.latency.record import LatencyRecord
from edgeunet.runtime import open_session
from edgeunet.runtime.run_metadata import run_metadata_of
from edgeunet_bench.measure.calls import Calls, TimedCall
from edgeunet_bench.measure.input_frames import InputFrames
from edgeunet_bench.measure.live_progress import LiveProgress
from edgeunet_bench.measure.measure_options import COLD, PROCESSES, MeasureOptions
from edgeunet_bench.measure.run_command import run_process
from edgeunet_bench.measure.surroundings import commit_of, now

IDLE_S = 2.0
TIMEOUT_S = 600.0  # of one process
NO_PROCESS = 0  # whose memory could be sampled: every sample is another one


def measure_cold(
    model: str | Path,
    inputs: InputFrames,
    options: MeasureOptions,
    *,
    threads: int | None = None,
    backend: str | None = None,
) -> LatencyRecord:
    """Measure a model file, with a progress bar on stderr; `others_ms` holds the first frame after an idle time.

    A process that is not counted runs first, to fill the page cache. threads, backend: see open_session().

    Raises what opening the model raises, CommandError if a process fails. Ctrl-C keeps the processes that are done,
    marked as partial; before the first one it stops the program.
    """
    with open_session(model, threads=threads, backend=backend) as session:
        subject = run_metadata_of(session, commit=commit_of(Path(__file__).parent))
        machine = fingerprint(session.describe())
    opening = (str(threads or ""), backend or "")
    processes = options.processes or PROCESSES
    calls = Calls()
    idle_pairs: list[tuple[int, int]] = []  # last frame before the idle time, first one after it, in ns
    interrupted = False
    with (
        Sampler(pid=NO_PROCESS) as sampler,
        LiveProgress("fresh processes", processes) as bar,
        tempfile.TemporaryDirectory() as folder,
    ):
        frame = Path(folder) / "frame.npy"
        np.save(frame, inputs.frames[0])
        _process(model, frame, opening, idle_s=0.0)
        try:
            while len(calls) < processes:
                call, warm_ns, after_idle_ns = _process(model, frame, opening, idle_s=IDLE_S)
                idle_pairs.append((warm_ns, after_idle_ns))
                calls.append(call)
                bar.show(len(calls), f"{call.total / 1e6:.0f} ms", last=True)
        except KeyboardInterrupt:
            if not len(calls):
                raise
            interrupted = True
    warm_ms, after_idle_ms = np.array(idle_pairs[: len(calls)]).T / 1e6
    return LatencyRecord(
        subject=subject,
        machine=machine,
        frames=inputs.name,
        mode=COLD,
        created=now(),
        warmup_frames=1,
        warmup_settled=True,
        partial=interrupted,
        starts_ms=calls.starts_ms(),
        samples_ms=calls.samples_ms(),
        deadline_ms=options.deadline_ms,
        others_ms={f"first frame after {IDLE_S:g} s idle": after_idle_ms, "frame before the idle time": warm_ms},
        telemetry=sampler.telemetry(calls.origin_ns),
    )


def _process(model: str | Path, frame: Path, opening: tuple[str, str], *, idle_s: float) -> tuple[TimedCall, int, int]:
    """One process: its time to the first mask, the time of a warm frame and of a frame after the idle time, in ns."""
    module = [sys.executable, "-m", "edgeunet_bench.measure.cold_process"]
    words = [*module, str(model), str(frame), *opening, str(idle_s)]
    done = run_process(words, f"{Path(model).name} in a fresh process", TIMEOUT_S)
    reported: dict[str, Any] = json.loads(done.output.splitlines()[-1])  # a backend may print before it
    ends = [done.start_ns, *reported["ends_ns"].values()]
    stages = dict(zip(reported["ends_ns"], np.diff(ends).tolist(), strict=True))
    return TimedCall(done.start_ns, ends[-1] - ends[0], stages), reported["warm_ns"], reported["after_idle_ns"]
