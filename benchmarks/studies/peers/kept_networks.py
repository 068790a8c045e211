"""Networks trained for equal minutes, theirs and ours, each in a folder that a later run uses again."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.studies.peers.peer_python import CHECKOUT, PeerPython
from edgeunet.errors import CommandError, MismatchError, UsageError
from edgeunet.spec import ClassInfo
from edgeunet.utils.files import write_json, write_text
from edgeunet.utils.json_fields import read_json

THEIRS = "yolo26"  # how their networks' names begin
DRIVE = CHECKOUT / "benchmarks" / "results" / "camvid"  # the lists of one drive that no training sees
STRIDE = 32  # their input is a multiple of it; ours of 16
KEPT = "trained.json"
# Their defaults, but for small batches that are not gathered to 64 frames, and a short warm-up: they learn more in few
# minutes like this.
SETTINGS = {"batch": 8, "nbs": 8, "warmup_epochs": 1, "pretrained": False, "plots": False, "workers": 0}


@dataclass(frozen=True)
class Minutes:
    """What all networks are trained with.

    minutes: of CPU time of one thread. size: (height, width) of the input; theirs train on squares of the longer side.
    """

    minutes: float
    size: tuple[int, int]

    def __post_init__(self) -> None:
        if not 0.1 <= self.minutes <= 10_000:
            raise UsageError(f"--minutes is 0.1 to 10000, got {self.minutes:g}")
        if any(side % STRIDE or side <= 0 for side in self.size):
            raise UsageError(
                f"--size needs multiples of {STRIDE} pixels for their networks, got {size_text(self.size)}"
            )


@dataclass(frozen=True)
class KeptNetwork:
    """A trained network.

    folder: of all its files. checkpoint: its best one on the unseen drive. cpu_s: what its training took, the start of
    the program and the scores on the drive included.
    """

    name: str
    folder: Path
    checkpoint: Path
    cpu_s: float

    @property
    def is_theirs(self) -> bool:
        return self.name.startswith(THEIRS)


@dataclass(frozen=True)
class _Record:
    plan: Minutes
    cpu_s: float = 0.0


def size_text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def run_ours(log: Path, *arguments: object, module: str = "edgeunet") -> None:
    """Run a command of edgeunet with its words in `log`; torch has one thread there, as in the peer's Python.

    Raises CommandError with the last of its words if it fails.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with log.open("w") as words:
        done = subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=words, stderr=words, check=False)
    if done.returncode:
        last = log.read_text(errors="replace").strip().rpartition("\n")[2]
        raise CommandError(
            f"{' '.join(map(str, arguments[:2]))} ended with exit code {done.returncode}: {last} (see {log})"
        )


def prepare_frames(camvid: Path, runs: Path, classes: Sequence[ClassInfo]) -> Path:
    """CamVid with one drive as val, in `runs`/frames, and the two files by which the peer finds it."""
    frames = runs / "frames"
    if not frames.exists():
        lists = [f"--list={split}={DRIVE / f'unseen_drive.{split}.txt'}" for split in ("train", "val")]
        run_ours(runs / "frames.log", "data", "convert", camvid, "-o", frames, "--layout", "indices", *lists)
    write_their_lists(frames, runs, classes)
    return frames


def write_their_lists(frames: Path, runs: Path, classes: Sequence[ClassInfo]) -> None:
    """frames.yaml, by which their trainer finds the frames, and calibration.yaml, whose val is the train split.

    Their INT8 calibrates on val; ours on the train split. The index after the classes is what is not labelled.
    """
    names = ", ".join(f"{index}: {json.dumps(info.name)}" for index, info in enumerate(classes))
    for file, split in (("frames.yaml", "val"), ("calibration.yaml", "train")):
        lines = [
            f"path: {frames}",
            "train: images/train",
            f"val: images/{split}",
            "masks_dir: masks",
            f"names: {{{names}}}",
            f"label_mapping: {{{len(classes)}: ignore_label}}",
        ]
        write_text(runs / file, "\n".join(lines) + "\n", force=True)


def kept(name: str, runs: Path, plan: Minutes, peer: PeerPython) -> KeptNetwork:
    """The network of that name in `runs`, trained now if it is not there.

    Raises MismatchError if it was trained otherwise, CommandError if a training fails.
    """
    folder = runs / name
    network = KeptNetwork(name, folder, folder / "best.pt", 0.0)
    if network.is_theirs:
        network = replace(network, checkpoint=folder / "weights" / "best.pt")
    record = folder / KEPT
    if record.exists():
        found = read_json(
            record, _Record, error=MismatchError, what="a training's record", remedy="give another --runs"
        )
        if found.plan != plan:
            raise MismatchError(
                f"{folder} was trained for {found.plan.minutes:g} minutes at {size_text(found.plan.size)}, expected "
                f"{plan.minutes:g} at {size_text(plan.size)}: give another --runs"
            )
        return replace(network, cpu_s=found.cpu_s)
    before = _children_s()
    if network.is_theirs:
        _train_theirs(name, runs, plan, peer)
    else:
        _train_ours(name, runs, plan)
    network = replace(network, cpu_s=round(_children_s() - before, 1))
    write_json(record, asdict(_Record(plan, network.cpu_s)), force=True)
    return network


def _train_theirs(name: str, runs: Path, plan: Minutes, peer: PeerPython) -> None:
    where = {"project": str(runs), "name": name, "exist_ok": True, "device": "cpu", "data": str(runs / "frames.yaml")}
    length = {"time": plan.minutes / 60, "imgsz": max(plan.size)}
    peer.run("train", f"{name}.yaml", {**SETTINGS, **where, **length}, runs / f"{name}.log")


def _train_ours(name: str, runs: Path, plan: Minutes) -> None:
    how = ["--recipe", "thorough", "--size", size_text(plan.size), "--time-budget", f"{60 * plan.minutes:g}s"]
    what = ["edgeunet", "train", runs / "frames", "-o", runs / name, "--model", name, "--workers", 0, "--force"]
    run_ours(runs / f"{name}.log", *what, *how, module="benchmarks.studies.peers.cpu_time")


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
