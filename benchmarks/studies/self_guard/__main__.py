"""`python -m benchmarks.studies.self_guard -o FOLDER`: the working tree against the release, as ratios in one run.

A small U-Net (untrained, exported by each tree) in each tree's session, and each tree's camera loop without
inference. Both run on one processor, which is the most certain. INCONCLUSIVE and INVALID, the verdicts of a busy
machine, do not fail, nor does a clone without the anchor's commit.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from benchmarks.studies.self_guard.anchor import NoAnchorError, extract
from benchmarks.studies.self_guard.tree import CHECKOUT, argv
from benchmarks.studies.study import run
from edgeunet.board.machine import usable_cpus
from edgeunet.cli.common_options import Force
from edgeunet.errors import EdgeUNetError
from edgeunet.utils import console
from edgeunet.utils.files import require_writable
from edgeunet_bench.guard.baseline import FOLDER, load_baseline
from edgeunet_bench.guard.commands import ComparisonOutputs, compare_arms
from edgeunet_bench.guard.judging.judgement import Verdict
from edgeunet_bench.guard.running.arms import TurnArm
from edgeunet_bench.guard.running.interleave import CompareOptions
from edgeunet_bench.measure.surroundings import commit_of

NAMES = ("inference", "camera")
HARMLESS = {Verdict.PASS.value, Verdict.INCONCLUSIVE.value, Verdict.INVALID.value}


def main(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the samples of both comparisons.")],
    seconds: Annotated[float, typer.Option(help="Time for each comparison, at most.")] = 60.0,
    force: Force = False,
) -> None:
    """Compare the working tree with the release anchor. Exit code: 0, or of the worse comparison: 3 if REGRESSED."""
    for name in NAMES:
        require_writable(output / f"{name}.json", force=force)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(usable_cpus())})
    out = console.stdout()
    anchor = load_baseline(CHECKOUT / FOLDER, "release").commit
    with TemporaryDirectory(prefix="edgeunet-anchor-") as folder:
        commit, _, changed = commit_of(CHECKOUT).partition("-")
        working = f"working tree {commit[:12]}" + (" with changes" if changed else "")
        trees = {f"release {anchor[:12]}": Path(folder), working: CHECKOUT}
        try:
            extract(CHECKOUT, anchor, Path(folder))
        except NoAnchorError as error:
            out.print(f"nothing was compared: {error}")
            return
        codes = []
        for name in NAMES:
            a, b = (_arm(name, title, tree, Path(folder)) for title, tree in trees.items())
            out.print(f"{name}: {a.name} against {b.name}")
            outputs = ComparisonOutputs(output / f"{name}.json", None, None, force=True)
            codes.append(compare_arms(a, b, CompareOptions(seconds), outputs))
            if codes[-1] == console.INTERRUPTED:
                break
    raise typer.Exit(max((code for code in codes if code not in HARMLESS), default=0))


def _arm(name: str, title: str, tree: Path, folder: Path) -> TurnArm:
    """One side of a comparison. folder: for the model file that it needs."""
    if name == "camera":
        return TurnArm(title, {"code": title}, tuple(argv("camera_arm", tree)))
    model = folder / f"{'working' if tree == CHECKOUT else 'release'}.onnx"
    made = subprocess.run(argv("network", tree, str(model)), capture_output=True, text=True, check=False)
    if made.returncode:
        raise EdgeUNetError(
            f"the {title} cannot export the network that is compared: {made.stderr.strip().rpartition(chr(10))[2]}"
        )
    facts = {"code": title, "model": "U-Net of 8, 16, 32, 64 channels, 256×320, fp32, untrained"}
    return TurnArm(title, facts, tuple(argv("inference_arm", tree, str(model))))


if __name__ == "__main__":
    run(main)
