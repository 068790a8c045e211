"""Measuring a command: its runs, one after another, in fresh processes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.sensors.telemetry import Sampler
from edgeunet.errors import UsageError
from edgeunet.latency.quantiles import Samples
from edgeunet.latency.record import TOTAL, LatencyRecord, RunMetadata
from edgeunet.utils.console import command_line
from edgeunet_bench.measure.live_progress import LiveProgress
from edgeunet_bench.measure.loops import settle
from edgeunet_bench.measure.measure_options import MeasureOptions
from edgeunet_bench.measure.run_command import run_command, shown
from edgeunet_bench.measure.surroundings import commit_of, now, rest

TIMEOUT_S = 3600.0  # of one run
MAX_WARMUP_S = 5.0
NO_PROCESS = 0  # whose memory could be sampled: that of the command ends with every run


def measure_command(command: str, *, whole: bool, options: MeasureOptions) -> LatencyRecord:
    """Run a command again and again until the time has passed, with a progress bar on stderr; see run_command().

    whole: one sample a run, after a warm-up. Otherwise the command does its own warm-up and prints what counts; its
    samples are laid end to end from the start of their run, since their own times are unknown.
    Ctrl-C keeps the runs that are done, marked as partial. Raises CommandError as soon as one run fails, UsageError
    for a mode that only models have.
    """
    if options.mode != "single":
        raise UsageError(f"the mode {options.mode} is for models, and this is a command: leave out --mode")
    runs: list[tuple[int, Samples]] = []  # when each began, in ns, and its samples
    interrupted = False
    warmup_runs, settled = 0, True

    def timed_run(_: int) -> int:
        return int(run_command(command, whole=True, timeout_s=TIMEOUT_S)[0] * 1e6)

    with (
        Sampler(pid=NO_PROCESS) as sampler,
        LiveProgress("warming up (s)" if whole else "measuring (s)", options.length_s) as bar,
    ):
        idle_ns = rest(sampler)
        if whole:
            warmup_runs, settled = settle(timed_run, MAX_WARMUP_S)
            bar.title("measuring (s)")
        begin = time.perf_counter_ns()
        count = 0
        try:
            while (start := time.perf_counter_ns()) - begin < options.length_s * 1e9:
                bar.show((start - begin) / 1e9, f"{len(runs)} runs, {count} samples")
                samples = run_command(command, whole=whole, timeout_s=TIMEOUT_S)
                runs.append((start, samples))
                count += len(samples)
                if options.max_frames is not None and count >= options.max_frames:
                    break
        except KeyboardInterrupt:
            if not runs:
                raise
            interrupted = True
        else:
            bar.show(options.length_s, f"{len(runs)} runs, {count} samples", last=True)
    origin_ns = runs[0][0]
    return LatencyRecord(
        subject=RunMetadata(
            model=shown(command),
            model_sha256="",
            precision="",
            input_size=(0, 0),
            size_bytes=0,
            backend="command",
            command=command_line(),
            commit=commit_of(Path()),
        ),
        machine=fingerprint({"backend": "command"}),
        frames="whole runs of the command" if whole else "the command's own input",
        mode=options.mode,
        created=now(),
        warmup_frames=warmup_runs,
        warmup_settled=settled,
        partial=interrupted,
        starts_ms=np.concatenate([(start - origin_ns) / 1e6 + np.cumsum(ms) - ms for start, ms in runs]),
        samples_ms={TOTAL: np.concatenate([samples for _, samples in runs])},
        deadline_ms=options.deadline_ms,
        telemetry=sampler.telemetry(origin_ns, idle_ns),
    )
