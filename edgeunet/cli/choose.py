"""`edgeunet choose`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeunet.cli.common_options import Force, Json
from edgeunet.utils.dependencies import require_installed


def choose(
    model: Annotated[Path, typer.Argument(help="Checkpoint of `edgeunet train`, or fp32 model file (.onnx).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the file and its choice.json.")],
    data: Annotated[
        Path, typer.Option(help="Dataset, folder of photos, or video: to calibrate and compare on.", show_default=False)
    ],
    max_drop: Annotated[float, typer.Option(help="Points of mIoU that may be lost against fp32.")] = 0.3,
    min_agreement: Annotated[
        float,
        typer.Option(help="Without labels: share of the pixels that must keep their class, instead of --max-drop."),
    ] = 0.98,
    budget_ms: Annotated[
        float | None, typer.Option(help="Time that 99 of 100 frames may take; if nothing is within it, none is kept.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split to calibrate on; its masks are not used.")] = "train",
    check_split: Annotated[str, typer.Option(help="Split to compare on.")] = "val",
    seconds: Annotated[float, typer.Option(help="Time limit of each comparison of two files.")] = 60.0,
    if_stale: Annotated[
        bool,
        typer.Option(
            "--if-stale", help="Choose again only if the model, the options, the machine or what is installed changed."
        ),
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """The fastest file that is accurate enough on this machine: fp32, fp16 or INT8, chosen by measuring.

    Run it on the machine that will run the model. Each file is compared with fp32 on the frames, and what loses too
    much is left out; the others run in turns against the best so far, and only what is surely faster takes its place.

    Example: edgeunet choose best.pt --data my_frames -o chosen
    """
    require_installed("onnx", "onnxruntime")
    from edgeunet.utils.console import stdout
    from edgeunet_bench.choose.choose import ChooseOptions
    from edgeunet_bench.choose.choose import choose as run_choose
    from edgeunet_export.verify.accuracy import AccuracyBudget

    options = ChooseOptions(split, check_split, AccuracyBudget(max_drop, min_agreement), budget_ms, seconds)
    choice, stale = run_choose(model, data, output, options, force=force, if_stale=if_stale)
    if as_json:
        stdout().print_json(data=choice.to_dict())
        return
    out = stdout()
    if stale:
        out.print(f"chosen again: {stale}")
    out.print(f"{output / choice.model}: {choice.name}, {choice.p50_ms:.1f} ms a frame, {choice.p99_ms:.1f} ms at p99")
    if undecided := sum(tried.outcome == "undecided" for tried in choice.tried):
        out.print(f"undecided: {undecided} of {len(choice.tried)}; with more --seconds another may prove faster")
    if choice.costly:
        out.print("no INT8 file was surely faster; with one thread they spend most of their time in")
    for layer in choice.costly:
        out.print(f"  {layer.of}: {layer.share:.0%} in {layer.name} ({layer.kind}), {layer.ms:.2f} ms")
