"""`python -m benchmarks.studies.peers DATA -o FILE`: Ultralytics' semantic networks against ours, like with like.

All networks start from nothing, but for those that our presets load from ImageNet, and train for equal minutes of CPU
time of one thread on two of CamVid's drives; they are scored on the third drive and the end of another. Files are timed
in turn in one process, from a frame in memory to its class mask; a ratio is of the time that the cores worked, which
other programs change less than the time of day. INT8 of theirs is by their exporter, calibrated on the train split.
Their software runs in a Python of its own: none of it is part of this project, and no file of it is kept here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.studies.peers.bare_network import arms_of, bare_times
from benchmarks.studies.peers.exported_files import ExportedFiles, exported
from benchmarks.studies.peers.head_cost import ceilings, time_by_resolution
from benchmarks.studies.peers.kept_networks import Minutes, kept, prepare_frames
from benchmarks.studies.peers.loops.live_camera import live_camera
from benchmarks.studies.peers.loops.video_loops import cut_video, video_loops
from benchmarks.studies.peers.parts import PARTS, found_or_missing, require_parts
from benchmarks.studies.peers.peer_python import PeerPython, make_peer_python
from benchmarks.studies.peers.unseen_drive import scores_of_files
from benchmarks.studies.study import Output, Rounds, Study, run
from edgeunet import samples
from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.machine import physical_cores
from edgeunet.cli.common_options import Force
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.network.graph_cost import graph_cost
from edgeunet.utils import console
from edgeunet.utils.limits import size_from_text

STUDY = Study(__doc__ or "", "edgeunet.study.peers/1")
NETWORKS = "yolo26n-sem,yolo26s-sem,nano,small,lite"


@dataclass(frozen=True)
class PeersOptions:
    """runs: the folder of everything that is made: frames, trainings, files. See main() for the others."""

    def __post_init__(self) -> None:
        require_parts(self.parts)

    camvid: Path
    runs: Path
    networks: tuple[str, ...]
    parts: tuple[str, ...]
    plan: Minutes
    rounds: int
    live_s: float


def measure(options: PeersOptions, peer: PeerPython) -> dict[str, Any]:
    """The content of the result file; what fails is "missing", and the others go on."""
    versions, size, runs = peer.versions(), options.plan.size, options.runs
    data = DatasetFolder.open(options.camvid)
    frames = prepare_frames(options.camvid, runs, data.classes)
    val = load_split(DatasetFolder.open(frames), "val")
    frame = np.asarray(val[0].frame, np.uint8)
    files: list[ExportedFiles] = []

    def made(name: str) -> dict[str, Any]:
        files.append(exported(kept(name, runs, options.plan, peer), frames, size, peer))
        return _facts(files[-1])

    networks = {
        name: found_or_missing(f"{name}: training and exporting", runs, partial(made, name))
        for name in options.networks
    }

    def each(part: str, work: Callable[[ExportedFiles], Any]) -> dict[str, Any]:
        return {
            of.network.name: found_or_missing(f"{of.network.name}: {part}", runs, partial(work, of)) for of in files
        }

    parts: dict[str, Callable[[], Any]] = {
        "scores": lambda: each("scores", lambda of: scores_of_files(of, frames, data.classes, size)),
        "bare": lambda: bare_times(arms_of(files, frame, data.classes, size), options.rounds),
        "video": lambda: video_loops(files, peer, samples.CLIP, size, max(1, options.rounds // 10)),
        "live": lambda: each("live", lambda of: live_camera(of, peer, samples.CLIP, size, options.live_s)),
        "cut_video": lambda: each("cut video", lambda of: cut_video(of, peer, samples.CLIP, size, runs)),
        "head": lambda: {
            "ceiling": ceilings(val, len(data.classes)),
            "time_share": {of.network.name: time_by_resolution(of.fp32, size) for of in files if of.fp32},
        },
    }
    return {
        "versions": versions,
        "minutes_of_one_thread": options.plan.minutes,
        "input_size": list(size),
        "networks": networks,
        **{part: found_or_missing(part, runs, parts[part]) for part in options.parts},
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "machine": fingerprint({"threads": str(physical_cores())}),
    }


def _facts(files: ExportedFiles) -> dict[str, Any]:
    source = files.own_fp32 or files.fp32
    cost = {} if source is None else vars(graph_cost(source))
    return {"training_cpu_s": files.network.cpu_s, **cost}


def show(result: dict[str, Any]) -> None:
    """The result as tables, without what is missing."""
    rows = []
    for name, kind, found in _pairs(result.get("scores", {})):
        figures = [found.get(figure, "–") for figure in ("miou", "mean_boundary_f1", "lost_points")]
        rows.append((name, kind, *map(str, figures)))
    _table("unseen drive", ("network", "file", "mIoU", "boundary F1", "points lost in INT8"), rows)
    rows = [
        (name, kind, f"{found['wall_ms']:.1f}", f"{found['cpu_ms']:.1f}")
        for name, kind, found in _pairs(result.get("bare", {}).get("times", {}))
    ]
    _table("from frame to mask, ms", ("network", "with", "by the clock", "CPU"), rows)
    rows = [
        (name, way, f"{found['fps']:.1f}", f"{found['cpu_ms']:.1f}")
        for name, way, found in _pairs(result.get("video", {}))
    ]
    _table("video loop, INT8", ("network", "how", "frames/s", "CPU ms of a frame"), rows)


def _table(title: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if rows:
        console.table(title, header, rows)


def _pairs(found: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(network, kind, figures) of all that is not missing."""
    return [
        (name, kind, figures)
        for name, kinds in found.items()
        if isinstance(kinds, dict)
        for kind, figures in kinds.items()
        if isinstance(figures, dict)
    ]


def main(
    data: Annotated[Path, typer.Argument(help="CamVid at 480×360, a dataset folder.")],
    output: Output,
    runs: Annotated[Path, typer.Option(help="Folder for trainings and files; what is in it is used again.")] = Path(
        "runs/peers"
    ),
    peer_python: Annotated[
        Path | None, typer.Option(help="A Python that has ultralytics; made in RUNS with pip if not given.")
    ] = None,
    networks: Annotated[str, typer.Option(help="Theirs and our presets, with commas between them.")] = NETWORKS,
    parts: Annotated[str, typer.Option(help="What to measure, with commas between.")] = ",".join(PARTS),
    minutes: Annotated[float, typer.Option(help="Training of each, in CPU minutes of one thread.")] = 36.0,
    size: Annotated[str, typer.Option(metavar="HEIGHTxWIDTH", help="Input size of all, multiples of 32.")] = "384x480",
    live_seconds: Annotated[float, typer.Option(min=1, help="Behind the camera, before it freezes.")] = 20.0,
    rounds: Rounds = 50,
    force: Force = False,
) -> None:
    """Measure another project's networks and loop against ours."""
    plan, runs = Minutes(minutes, size_from_text(size)), runs.resolve()
    options = PeersOptions(
        data.resolve(), runs, tuple(networks.split(",")), tuple(parts.split(",")), plan, rounds, live_seconds
    )

    def work() -> dict[str, Any]:
        runs.mkdir(parents=True, exist_ok=True)
        return measure(options, PeerPython((peer_python or make_peer_python(runs / "python")).absolute(), runs))

    show(STUDY.keep(output, work, force=force, inputs=[data]))


if __name__ == "__main__":
    run(main)
