"""`python -m benchmarks.studies.cpu.starts -o FILE`: how long commands take to start, in seconds by the clock.

Each is a process of its own, as a user starts it, after one round that is not counted: Python's compiled files are
there then, and the disk's cache is warm. The commands take turns.

help: `edgeunet --help`, to its end. doctor: `edgeunet doctor`, to its end. camera: `edgeunet camera MODEL --source CLIP
--jsonl -` to the line of the first mask, with the INT8 file of an untrained `nano` and the package's clip.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.studies.cpu.frame_to_mask import write_models
from benchmarks.studies.study import Goal, Output, Rounds, Study, judge, rounds_of, run
from edgeunet import samples
from edgeunet.board.fingerprint import fingerprint
from edgeunet.cli.common_options import Force
from edgeunet.errors import EdgeUNetError
from edgeunet.runtime import open_session

STUDY = Study(__doc__ or "", "edgeunet.starts/1")
GOALS = {"help": Goal(0.25, most=True), "doctor": Goal(1.5, most=True), "camera": Goal(1.5, most=True)}
EDGEUNET = [sys.executable, "-m", "edgeunet"]
COMPILED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def to_the_end(*arguments: str) -> float:
    """Seconds until a command has ended; raises EdgeUNetError if it fails."""
    begin = time.perf_counter()
    ended = subprocess.run([*EDGEUNET, *arguments], capture_output=True, text=True, env=COMPILED)
    seconds = time.perf_counter() - begin
    if ended.returncode != 0:
        raise EdgeUNetError(f"edgeunet {' '.join(arguments)} ended with {ended.returncode}: {ended.stderr[-200:]}")
    return seconds


def to_the_first_mask(model: Path) -> float:
    """Seconds until the camera has written the line of its first mask; raises EdgeUNetError if none comes."""
    arguments = [*EDGEUNET, "camera", str(model), "--source", str(samples.CLIP), "--max-frames", "2", "--jsonl", "-"]
    begin = time.perf_counter()
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=COMPILED) as camera:
        line = camera.stdout.readline() if camera.stdout else b""
        seconds = time.perf_counter() - begin
        if camera.stdout:
            camera.stdout.read()  # its end
    if not line:
        raise EdgeUNetError(f"edgeunet camera ended with {camera.returncode} and without a mask")
    return seconds


def measure(rounds: int) -> dict[str, Any]:
    """The content of the result file."""
    with TemporaryDirectory() as folder:
        _, _, _, model = write_models("nano", Path(folder))
        with open_session(model) as session:
            machine = fingerprint(session.describe())
        starts: dict[str, Callable[[], float]] = {
            "help": lambda: to_the_end("--help"),
            "doctor": lambda: to_the_end("doctor"),
            "camera": lambda: to_the_first_mask(model),
        }
        turns = [{name: start() for name, start in starts.items()} for _ in rounds_of(rounds + 1)][1:]
    return {
        "machine": machine,
        "goals": {name: str(goal) for name, goal in GOALS.items()},
        "median_s": {name: median(turn[name] for turn in turns) for name in starts},
        "rounds": turns,
    }


def main(output: Output, rounds: Rounds = 11, force: Force = False) -> None:
    """Measure how long commands take to start; exit code 1 if a goal is missed."""
    judge(STUDY.keep(output, lambda: measure(rounds), force=force)["median_s"], GOALS)


if __name__ == "__main__":
    run(main)
