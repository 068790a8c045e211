"""`edgeunet fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeunet.cli.common_options import Force, Json


def fit(
    data: Annotated[Path, typer.Argument(help="Dataset folder.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the training, the models and the page.")
    ] = None,
    device_record: Annotated[Path | None, typer.Option(help="What `edgeunet bench sweep` wrote on the device.")] = None,
    budget_ms: Annotated[float | None, typer.Option(help="Time a frame may take on the device, at p99.")] = None,
    budget_mw: Annotated[
        float | None, typer.Option(help="Mean power of the device while it runs frame after frame.")
    ] = None,
    candidates: Annotated[
        Path | None, typer.Option(help="Write untrained models to this folder instead, to sweep on the device.")
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(help="Input sizes of --candidates, such as 256x320,192x256 (default: as train chooses)."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="What runs --candidates: tensorrt, onnxruntime or openvino; tensorrt if not given."),
    ] = None,
    recipe: Annotated[str, typer.Option(help="Recipe of the training: quick, standard or thorough.")] = "standard",
    steps: Annotated[int | None, typer.Option(help="Number of steps, instead of the recipe's.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
    max_drop: Annotated[float, typer.Option(help="Points of mIoU that INT8 may lose.")] = 0.3,
    split: Annotated[str, typer.Option(help="Labelled split to verify and score on.")] = "val",
    resume: Annotated[bool, typer.Option("--resume", help="Continue the interrupted training in -o.")] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """From a budget to a model: train the largest network that is fast enough on the device.

    A page says why this model.

    On the desk: edgeunet fit my_frames --candidates candidates --sizes 256x320,192x256

    On the device: edgeunet bench sweep candidates/*.onnx -o device.json (for its GPU: of each an engine,
    candidates/*.engine)

    On the desk: edgeunet fit my_frames --device-record device.json --budget-ms 15 -o fitted
    """
    from edgeunet.errors import UsageError

    if candidates is not None:
        if output or device_record or budget_ms is not None or budget_mw is not None:
            raise UsageError("--candidates only writes models to measure: leave out -o, the record and the budget")
        _write_candidates(data, candidates, sizes, target, force=force)
        return
    if sizes or target:
        raise UsageError("--sizes and --target are for --candidates: the record has its own")
    if output is None or device_record is None or budget_ms is None:
        raise UsageError(
            "a fit needs --device-record, --budget-ms and -o; first write models to measure on the device: `edgeunet "
            "fit DATA --candidates FOLDER`"
        )
    from edgeunet.utils.console import stdout
    from edgeunet_bench.fit.builder import BuildOptions
    from edgeunet_bench.fit.fit import FitOptions
    from edgeunet_bench.fit.fit import fit as run_fit
    from edgeunet_bench.fit.shortlist import DeviceBudget

    if resume and force:
        raise UsageError("--resume continues a run and --force starts again: give one of them")
    options = FitOptions(
        device_record, DeviceBudget(budget_ms, budget_mw), BuildOptions(recipe, steps, seed, max_drop, split)
    )
    card = run_fit(data, output, options, resume=resume, force=force)
    if as_json:
        stdout().print_json(data=card.to_dict())
    else:
        stdout().print(card.summary())


def _write_candidates(data: Path, folder: Path, sizes: str | None, target: str | None, *, force: bool) -> None:
    from edgeunet.utils.console import stdout
    from edgeunet.utils.files import require_distinct
    from edgeunet.utils.limits import size_from_text
    from edgeunet_bench.fit.candidates import CandidateOptions, write_candidates

    options = CandidateOptions(
        sizes=tuple(size_from_text(text) for text in sizes.split(",")) if sizes else (),
        target=target or "tensorrt",
    )
    require_distinct({"--candidates": folder}, {"DATA": data}, replaced=[folder])
    files = write_candidates(data, folder, options, force=force)
    next_step = f"edgeunet bench sweep {folder}/*.onnx -o device.json"
    stdout().print(f"{len(files)} untrained models are in {folder}; on the device: {next_step}")
