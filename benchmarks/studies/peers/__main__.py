"""`python -m benchmarks.studies.peers DATA -o FILE`: Ultralytics' semantic networks against ours, like with like.

All networks start from nothing, but for those that our presets load from ImageNet, and train for equal minutes of CPU
time of one thread on two of CamVid's drives; they are scored on the third drive and the end of another. Files are timed
in turn in one process, from a frame in memory to its class mask; a ratio is of the time that the cores worked, which
other programs change less than the time of day. INT8 of theirs is by their exporter, calibrated on the train split.
Their software runs in a Python of its own: none of it is part of this project, and no file of it is kept here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
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
from benchmarks.studies.peers.peer_python import PeerPython, make_peer_python
from benchmarks.studies.peers.unseen_drive import scores_of_files
from benchmarks.studies.study import Output, Rounds, Study, run
from edgeunet import samples
from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.machine import physical_cores
from edgeunet.cli.common_options import Force
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import CommandError
from edgeunet.network.graph_cost import graph_cost
from edgeunet.utils import console
from edgeunet.utils.limits import size_from_text

STUDY = Study(__doc__ or "", "edgeunet.study.peers/1")
NETWORKS = "yolo26n-sem,yolo26s-sem,nano,small,lite"


@dataclass(frozen=True)
class PeersOptions:
    """runs: the folder of everything that is made: frames, trainings, files. See main() for the others."""

    camvid: Path
    runs: Path
    networks: tuple[str, ...]
    plan: Minutes
    rounds: int
    live_s: float


def measure(options: PeersOptions, peer: PeerPython) -> dict[str, Any]:
    """The content of the result file; what fails for one network is its "missing", and the others go on."""
    versions, size = peer.versions(), options.plan.size
    data = DatasetFolder.open(options.camvid)
    frames = prepare_frames(options.camvid, options.runs, data.classes)
    val = load_split(DatasetFolder.open(frames), "val")
    frame = np.asarray(val[0].frame, np.uint8)
    files: list[ExportedFiles] = []
    networks: dict[str, dict[str, Any]] = {}
    for name in options.networks:
        console.stdout().print(f"{name}: training, exporting and scoring")
        try:
            files.append(exported(kept(name, options.runs, options.plan, peer), frames, size, peer))
        except CommandError as error:
            networks[name] = {"missing": str(error).replace(str(options.runs), "RUNS")}
            continue
        networks[name] = _facts(files[-1]) | {"scores": scores_of_files(files[-1], frames, data.classes, size)}
    return {
        "versions": versions,
        "minutes_of_one_thread": options.plan.minutes,
        "input_size": list(size),
        "networks": networks,
        "bare": bare_times(arms_of(files, frame, data.classes, size), options.rounds),
        "video": video_loops(files, peer, samples.CLIP, size, max(1, options.rounds // 10)),
        "live": {each.network.name: live_camera(each, peer, samples.CLIP, size, options.live_s) for each in files},
        "cut_video": {each.network.name: cut_video(each, peer, samples.CLIP, size, options.runs) for each in files},
        "head": {
            "ceiling": ceilings(val, len(data.classes)),
            "time_share": {e.network.name: time_by_resolution(e.fp32, size) for e in files if e.fp32},
        },
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "machine": fingerprint({"threads": str(physical_cores())}),
    }


def _facts(files: ExportedFiles) -> dict[str, Any]:
    source = files.own_fp32 or files.fp32
    cost = {} if source is None else vars(graph_cost(source))
    return {"training_cpu_s": files.network.cpu_s, **cost}


def show(result: dict[str, Any]) -> None:
    """The result as tables."""
    rows = []
    for name, facts in result["networks"].items():
        scores: dict[str, Any] = facts.get("scores", {})
        for kind, found in scores.items():
            figures = [found.get(figure, "–") for figure in ("miou", "mean_boundary_f1", "lost_points")]
            rows.append((name, kind, *map(str, figures)))
    console.table("unseen drive", ("network", "file", "mIoU", "boundary F1", "points lost in INT8"), rows)
    rows = [
        (name, kind, f"{found['wall_ms']:.1f}", f"{found['cpu_ms']:.1f}")
        for name, kinds in result["bare"]["times"].items()
        for kind, found in kinds.items()
    ]
    console.table("from frame to mask, ms", ("network", "with", "by the clock", "CPU"), rows)
    rows = [
        (name, *(f"{ways[way]['fps']:.0f}" for way in ("plain", "drawn"))) for name, ways in result["video"].items()
    ]
    console.table("video loop, INT8", ("network", "frames/s", "with drawing"), rows)


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
    minutes: Annotated[float, typer.Option(help="Training of each, in CPU minutes of one thread.")] = 36.0,
    size: Annotated[str, typer.Option(metavar="HEIGHTxWIDTH", help="Input size of all, multiples of 32.")] = "384x480",
    live_seconds: Annotated[float, typer.Option(min=1, help="Behind the camera, before it freezes.")] = 20.0,
    rounds: Rounds = 50,
    force: Force = False,
) -> None:
    """Measure another project's networks and loop against ours."""
    plan, runs = Minutes(minutes, size_from_text(size)), runs.resolve()
    options = PeersOptions(data.resolve(), runs, tuple(networks.split(",")), plan, rounds, live_seconds)

    def work() -> dict[str, Any]:
        runs.mkdir(parents=True, exist_ok=True)
        return measure(options, PeerPython((peer_python or make_peer_python(runs / "python")).absolute(), runs))

    show(STUDY.keep(output, work, force=force, inputs=[data]))


if __name__ == "__main__":
    run(main)
