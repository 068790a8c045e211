"""Time and peak memory of the commands that read a dataset, for more and more frames: what grows, and how fast?

    python -m benchmarks.studies.data_growth CAMVID -o benchmarks/results/data_growth.json

The frames of the dataset's train split are repeated under new names, each JPEG with a comment of its own, so that no
two files are equal. Each command has a process of its own; the network is `nano` at 96x128, so that the time is that of
the data. CPU seconds hardly depend on what else the machine does. With --before the same commands run on another
checkout of the project too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.studies.study import OptionalOutput, Study, run
from edgeunet.board.machine import cpu_model, physical_cores
from edgeunet.cli.common_options import Force
from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import EdgeUNetError
from edgeunet.utils import console

STUDY = Study(__doc__ or "", "edgeunet.data_growth/1")
CHECKOUT = Path(__file__).parents[2]
COUNTS = "100,1000,10000"
VAL_SHARE = 0.1
# In a folder with the dataset `data`; each may use what those before it have made.
COMMANDS = {
    "data convert": ("data", "convert", "data", "-o", "converted", "--layout", "indices"),
    "data stats": ("data", "stats", "data"),
    "train, 3 steps": (
        *("train", "data", "-o", "run", "--model", "nano", "--size", "96x128"),
        *("--batch", "4", "--steps", "3", "--workers", "0", "--precision", "fp32"),
    ),
    "export onnx": ("export", "onnx", "run/best.pt", "-o", "model.onnx"),
    "export cache": ("export", "cache", "model.onnx", "-o", "ranges.cache", "--data", "data", "--tensorrt", "10.3"),
    "evaluate": ("evaluate", "model.onnx", "data", "--split", "train"),
}
MADE = ("converted", "run", "model.onnx", "ranges.cache")


def repeated(source: DatasetFolder, target: Path, count: int) -> None:
    """Write a dataset folder with `count` frames in train and a tenth of them in val, all from the source's train."""
    pairs, _ = source.pairs("train")
    for split, frames in (("train", count), ("val", max(1, round(VAL_SHARE * count)))):
        images, masks = (target / kind / split for kind in ("images", "masks"))
        images.mkdir(parents=True)
        masks.mkdir(parents=True)
        for number in range(frames):
            pair = pairs[number % len(pairs)]
            data = pair.image.read_bytes()
            if not data.startswith(b"\xff\xd8"):
                raise EdgeUNetError(f"{pair.image} is not a JPEG: give a dataset whose images are")
            text = f"{split} {number}".encode()
            comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
            (images / f"{number:06}.jpg").write_bytes(data[:2] + comment + data[2:])
            shutil.copyfile(pair.mask, masks / f"{number:06}.png")
    shutil.copyfile(source.path / "classes.json", target / "classes.json")


def measured(tree: Path, arguments: Sequence[str], folder: Path) -> dict[str, float]:
    """Seconds, CPU seconds and peak resident MiB of `edgeunet` with these arguments, as `tree` has it."""
    path = ":".join(str(tree / part) for part in (".", "export", "benchmarks"))
    with tempfile.TemporaryFile("w+") as said:
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "edgeunet", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            last = said.read().strip().splitlines()[-1]
            raise EdgeUNetError(f"edgeunet {' '.join(arguments)} of {tree} failed: {last}")
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mib": round(usage.ru_maxrss / 1024),
    }


def measure(source: DatasetFolder, counts: Sequence[int], before: Path | None) -> dict[str, Any]:
    """The figures of every command, for each number of frames and each checkout."""
    trees = {"now": CHECKOUT} | ({"before": before.resolve()} if before else {})
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, console.progress() as bar:
        task = bar.add_task("measuring", total=len(counts) * len(COMMANDS) * len(trees), note="")
        for frames in counts:
            folder = Path(name) / str(frames)
            repeated(source, folder / "data", frames)
            for arm, tree in trees.items():
                for command, arguments in COMMANDS.items():
                    bar.update(task, note=f"{command}, {frames} frames, {arm}")
                    rows.append(
                        {"command": command, "frames": frames, "tree": arm, **measured(tree, arguments, folder)}
                    )
                    bar.advance(task)
                for made in MADE:
                    path = folder / made
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            shutil.rmtree(folder)
    return {
        "machine": f"{cpu_model()}, {physical_cores()} cores",
        "dataset": source.path.name,
        "commits": {arm: _commit(tree) for arm, tree in trees.items()},
        "runs": rows,
    }


def _commit(tree: Path) -> str:
    said = subprocess.run(["git", "-C", str(tree), "describe", "--always", "--dirty"], capture_output=True, text=True)
    return said.stdout.strip() or "unknown"


Data = Annotated[Path, typer.Argument(help="Dataset folder whose images are JPEG.")]
Counts = Annotated[str, typer.Option(help="Numbers of frames in train, with commas.")]
Before = Annotated[Path | None, typer.Option(help="Another checkout of the project, measured too.")]


def main(
    data: Data, output: OptionalOutput = None, counts: Counts = COUNTS, before: Before = None, force: Force = False
) -> None:
    """Measure the commands that read a dataset on more and more frames."""
    numbers = [int(count) for count in counts.split(",")]
    result = STUDY.keep(output, lambda: measure(DatasetFolder.open(data), numbers, before), force=force)
    header = ("command", "frames", "tree", "s", "CPU s", "peak MiB")
    rows = [[str(value) for value in row.values()] for row in result["runs"]]
    console.table("time and memory by the number of frames", header, rows)


if __name__ == "__main__":
    run(main)
