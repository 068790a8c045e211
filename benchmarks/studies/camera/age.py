"""`python -m benchmarks.studies.camera.age -o FILE`: how old masks are with a camera that is too fast.

A synthetic camera captures 30 frames per second by the clock, inference takes exactly 50 ms, so a third of the frames
is dropped. In a loop that queues frames, masks would grow older by the minute. The limit at p99 is one frame interval,
one inference and 5 ms. The first mask counts too; nothing is left out. Other programs that keep the CPUs busy make
masks late, so their share is counted.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated, Any

import numpy as np
import psutil
import typer

from benchmarks.studies.camera.instant import Discard, Sleeping
from benchmarks.studies.study import Output, Study, run
from edgeunet.board.fingerprint import fingerprint
from edgeunet.camera.loop.loop import Loop, LoopOptions
from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.opening import open_steady
from edgeunet.cli.common_options import Force
from edgeunet.errors import UsageError
from edgeunet.runtime.warm_up import warm_up
from edgeunet.utils import console

STUDY = Study(__doc__ or "", "edgeunet.camera-age/1")
FPS = 30
INFERENCE_MS = 50.0
BOUND_MS = 1000 / FPS + INFERENCE_MS + 5.0
MINUTE_NS = 60_000_000_000


def measure(seconds: float) -> dict[str, Any]:
    """Run the loop for that time and return the content of the result file."""
    if seconds <= 0:
        raise UsageError(f"--seconds is above 0, got {seconds:g}")
    with Sleeping(INFERENCE_MS) as session:
        warm_up(session)
        source = open_steady(Address.parse(f"synthetic://?fps={FPS}&seconds={seconds:g}"), lambda line: None)
        options = LoopOptions(deadline_ms=BOUND_MS, keep_samples=True)
        loop = Loop(session, {"synthetic": source}, [nullcontext(Discard())], options)
        before = _cpu_seconds()
        loop.start()
        with console.progress() as bar:
            task = bar.add_task("measuring", total=round(seconds), note="")
            while not loop.wait(1.0):
                stats = loop.stats()["synthetic"]
                bar.update(task, completed=stats.wall_s, note=f"p99 {stats.age.p99_ns / 1e6:.1f} ms")
        stats = loop.finish()["synthetic"]
        all_s, own_s = (after - begin for after, begin in zip(_cpu_seconds(), before, strict=True))
        names, rows = loop.readers[0].statistics.samples()
        facts = fingerprint(session.describe())
    captured_ns, age_ms = rows[:, 0], rows[:, 1] / 1e6
    minutes = (captured_ns - captured_ns[0]) // MINUTE_NS
    p50, p99, p999 = (round(float(q), 3) for q in np.quantile(age_ms, (0.5, 0.99, 0.999)))
    return {
        "machine": facts,
        "source_fps": FPS,
        "inference_ms": INFERENCE_MS,
        "bound_ms": round(BOUND_MS, 3),
        "seconds": round(stats.wall_s, 1),
        "cpus_busy_with_this": round(own_s / stats.wall_s, 3),
        "cpus_busy_with_other_programs": round((all_s - own_s) / stats.wall_s, 3),
        "read": stats.read,
        "masks": stats.published,
        "dropped": stats.dropped,
        "older_than_bound": stats.misses,
        "age_p50_ms": p50,
        "age_p99_ms": p99,
        "age_p99.9_ms": p999,
        "age_max_ms": round(float(age_ms.max()), 3),
        "age_p99_ms_by_minute": [
            round(float(np.quantile(age_ms[minutes == minute], 0.99)), 3) for minute in np.unique(minutes)
        ],
        "stages_p50_ms": {name: round(float(np.median(rows[:, 2 + i])) / 1e6, 3) for i, name in enumerate(names[2:])},
        "age_ms": [round(float(age), 2) for age in age_ms],
    }


def _cpu_seconds() -> tuple[float, float]:
    """What all programs of the machine have used since it started, and what this one has."""
    times, own = psutil.cpu_times(), psutil.Process().cpu_times()
    return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice, own.user + own.system


def main(
    output: Output,
    seconds: Annotated[float, typer.Option(help="How long.")] = 600.0,
    force: Force = False,
) -> None:
    """Measure the age of masks behind a camera of 30 frames per second and an inference of 50 ms."""
    result = STUDY.keep(output, lambda: measure(seconds), force=force)
    console.stdout().print(
        f"age of {result['masks']} masks: p50 {result['age_p50_ms']:.1f}, p99 {result['age_p99_ms']:.1f}, max "
        f"{result['age_max_ms']:.1f} ms; promised {BOUND_MS:.1f} ms at p99"
    )


if __name__ == "__main__":
    run(main)
