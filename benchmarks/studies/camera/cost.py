"""`python -m benchmarks.studies.camera.cost -o FILE`: what the camera loop costs per frame in addition to inference.

Frames of a real clip, scaled to the size asked for and held in memory, go through the whole loop: hand-over between
the threads, fitting to the network's size, the overlay with legend and text, statistics. The session answers at once
with a mask that it was given; nothing is decoded, encoded or streamed. The process is bound to one core, and its CPU
time is counted, which other programs on the machine disturb less than the clock on the wall.
"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from itertools import islice
from statistics import median
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from benchmarks.studies.camera.instant import INPUT_SIZE, Discard, Instant, Prepared
from benchmarks.studies.study import Goal, Output, Rounds, Study, judge, rounds_of, run
from edgeunet.board.fingerprint import fingerprint
from edgeunet.camera.loop.loop import Loop
from edgeunet.camera.sources.opening import open_source
from edgeunet.cli.common_options import Force
from edgeunet.imaging.letterbox import UInt8
from edgeunet.samples import CLIP
from edgeunet.utils import console

STUDY = Study(__doc__ or "", "edgeunet.camera-cost/1")
GOALS = {"median_cpu_ms_a_frame": Goal(1.2, most=True)}
SIZE = (720, 1280)  # (height, width) of the frames
KEPT = 4  # different frames, as in the buffers of a driver


def real_frames() -> list[UInt8]:
    """uint8 [*SIZE, 3]: some of a clip's, scaled."""
    with open_source(str(CLIP)) as source:
        frames = [frame.pixels for frame in islice(iter(source.read, None), KEPT)]
    return [np.asarray(cv2.resize(frame, SIZE[::-1]), np.uint8) for frame in frames]


def cost_of(frames: list[UInt8], count: int) -> dict[str, Any]:
    """CPU time of the process a frame in ms, and the median of each stage by the clock."""
    with Instant() as session:
        loop = Loop(session, {"memory": Prepared(frames, count)}, [nullcontext(Discard())])
        begin = time.process_time_ns()
        loop.start()
        stats = loop.finish()["memory"]
        total_ms = (time.process_time_ns() - begin) / 1e6
    stages = {stage: round(quantiles.p50_ns / 1e6, 3) for stage, quantiles in stats.stages.items() if stage != "wait"}
    return {"cpu_ms_a_frame": round(total_ms / stats.published, 3), "stages_p50_ms": stages}


def measure(rounds: int, count: int) -> dict[str, Any]:
    """The content of the result file; the process stays on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    frames = real_frames()
    cost_of(frames, 50)  # memory is allocated
    turns = [cost_of(frames, count) for _ in rounds_of(rounds)]
    return {
        "frame_size": list(SIZE),
        "input_size": list(INPUT_SIZE),
        "opencv": cv2.__version__,
        "machine": fingerprint(Instant().describe()),
        "goals": {name: str(goal) for name, goal in GOALS.items()},
        "median_cpu_ms_a_frame": median(turn["cpu_ms_a_frame"] for turn in turns),
        "frames_a_round": count,
        "rounds": turns,
    }


def main(
    output: Output,
    rounds: Rounds = 9,
    frames: Annotated[int, typer.Option(min=1, help="Frames in a round.")] = 500,
    force: Force = False,
) -> None:
    """Measure what the camera loop costs per frame in addition to inference; exit code 1 if the goal is missed."""
    result = STUDY.keep(output, lambda: measure(rounds, frames), force=force)
    console.stdout().print(f"{result['median_cpu_ms_a_frame']:.2f} ms of one core per frame of {SIZE[1]}×{SIZE[0]}")
    judge(result, GOALS)


if __name__ == "__main__":
    run(main)
