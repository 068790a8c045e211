"""`edgeunet train`: parse, call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from edgeunet.cli.common_options import Force
from edgeunet.utils.limits import size_from_text, tiles_from_text

if TYPE_CHECKING:
    from edgeunet.spec import Fit

RECIPE = "Instead of the recipe's value"  # headings in the help
MACHINE = "The machine"
INT8 = "Quantisation-aware training"


def train(
    data: Annotated[Path, typer.Argument(help="Dataset folder: images/, masks/, classes.json.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder of the run: best.pt, last.pt, log.csv, run.json.")
    ],
    model: Annotated[str, typer.Option(help="nano, small (default), base, lite or classic (31 M).")] = "",
    recipe: Annotated[str, typer.Option(help="quick, standard (default), thorough, or qat (default with --qat).")] = "",
    size: Annotated[
        str, typer.Option(metavar="HEIGHTxWIDTH", help="Input size; chosen from the data if not given.")
    ] = "",
    tiles: Annotated[
        str,
        typer.Option(
            metavar="ROWSxCOLUMNS",
            help="Cut each frame into overlapping tiles, for small objects in large frames; --size is that of a tile.",
        ),
    ] = "",
    fit: Annotated[
        str, typer.Option(help="How frames get to that size: letterbox (keeps the shape) or stretch.")
    ] = "letterbox",
    channels: Annotated[
        int | None,
        typer.Option(
            help="Channels of the frames: 1 (grey), 3 (colour, the default) or 4 (colour and another such as infrared)."
        ),
    ] = None,
    levels: Annotated[
        str,
        typer.Option(
            metavar="LOW:HIGH",
            help="For frames of 16 bits: the values that become black and white; auto finds them in the train split. "
            "Several channels may have a pair each, with commas between them.",
        ),
    ] = "",
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Start from this checkpoint, of other classes or another size too: its head is kept for classes of "
            "the same name.",
        ),
    ] = None,
    no_pretrained: Annotated[
        bool, typer.Option("--no-pretrained", help="Start lite at random, not from ImageNet's weights.")
    ] = False,
    freeze_encoder: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="With --weights or lite: the encoder does not change in this share of the run, 0 to 1 (0.2).",
            rich_help_panel=RECIPE,
        ),
    ] = None,
    splits: Annotated[
        str,
        typer.Option(
            help="Splits to train on, with commas between them. train,val is for the last network: nothing is scored."
        ),
    ] = "train",
    steps: Annotated[int | None, typer.Option(help="Number of steps.", rich_help_panel=RECIPE)] = None,
    time_budget: Annotated[
        str, typer.Option(help="Train for this long, such as 600s, 90m or 2h.", rich_help_panel=RECIPE)
    ] = "",
    batch: Annotated[
        int | None, typer.Option(help="Crops per step, of all processes together.", rich_help_panel=RECIPE)
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Largest learning rate.", rich_help_panel=RECIPE)] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, adam or adamw.", rich_help_panel=RECIPE)] = None,
    schedule: Annotated[str | None, typer.Option(help="cosine or onecycle.", rich_help_panel=RECIPE)] = None,
    loss: Annotated[
        str | None, typer.Option(help="ce (binary with two classes), dice, ce+dice.", rich_help_panel=RECIPE)
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, order and augmentation.")] = 0,
    precision: Annotated[
        str,
        typer.Option(
            help="fp32, bf16, fp16 (on a GPU), or auto: bf16 where the hardware has it.", rich_help_panel=MACHINE
        ),
    ] = "auto",
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the network with torch.compile.", rich_help_panel=MACHINE)
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Processes that prepare crops.", rich_help_panel=MACHINE)] = None,
    qat: Annotated[
        Path | None,
        typer.Option(
            help="Train this checkpoint further as INT8, if `export int8` loses too much.", rich_help_panel=INT8
        ),
    ] = None,
    target: Annotated[
        str, typer.Option(help="Runtime that --qat trains for, as in `export int8`.", rich_help_panel=INT8)
    ] = "tensorrt",
    resume: Annotated[bool, typer.Option("--resume", help="Continue the interrupted run in the folder.")] = False,
    force: Force = False,
) -> None:
    """Train a network on a dataset folder.

    With --qat the learnt ranges are next to best.pt: `export int8 MODEL --ranges RUN/best.ranges.json`.

    Examples:

    edgeunet train my_frames -o runs/first --model small

    torchrun --nproc-per-node 2 -m edgeunet train my_frames -o runs/first --model small
    """
    from edgeunet.training.command import train as train_into
    from edgeunet.training.processes.distributed import processes
    from edgeunet.training.progress import seconds_from_text
    from edgeunet.training.training_options import TrainingOptions

    with processes():
        options = TrainingOptions(
            model=model,
            recipe=recipe,
            size=size_from_text(size) if size else None,
            tiles=tiles_from_text(tiles) if tiles else (1, 1),
            channels=channels,
            levels=levels,
            fit=cast("Fit", fit),  # checked there
            steps=steps,
            changes={
                "batch": batch,
                "lr": lr,
                "optimizer": optimizer,
                "schedule": schedule,
                "loss": loss,
                "seed": seed,
                "freeze_encoder": freeze_encoder,
            },
            workers=workers,
            precision=precision,
            compiled=compiled,
            time_budget_s=seconds_from_text(time_budget) if time_budget else None,
            resume=resume,
            force=force,
            qat=qat,
            target=target,
            weights=weights,
            pretrained=not no_pretrained,
            splits=tuple(name.strip() for name in splits.split(",")),
        )
        train_into(data, output, options)
