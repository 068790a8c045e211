"""`edgeunet import`: parse, call, print."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from edgeunet.cli.common_options import Confidence, Force
from edgeunet.utils.dependencies import require_installed

if TYPE_CHECKING:
    from edgeunet.spec import Fit


def import_(
    theirs: Annotated[
        str,
        typer.Argument(
            metavar="THEIRS",
            help="A network of another tool: a .onnx file; package.module:function, Python code that builds a "
            "torch.nn.Module and is run; a folder that save_pretrained() of smp or transformers wrote; TorchScript.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="File to write.", show_default=False)],
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights of a network that is given as code: a state dict of torch.save(), or safetensors."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Dataset of the same classes: its labels show how frames are prepared, if no option says it, and "
            "both networks are scored on it."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Split of --data.")] = "val",
    classes: Annotated[
        Path | None,
        typer.Option(
            help="List of the network's classes in its order: classes.json, .csv or a .txt with a name on each line; "
            "those of --data if not given."
        ),
    ] = None,
    size: Annotated[
        str, typer.Option(metavar="HEIGHTxWIDTH", help="Input size, for a network that takes frames of any size.")
    ] = "",
    fit: Annotated[
        str,
        typer.Option(
            help="How a camera's frame gets to that size: letterbox (keeps its shape) or stretch; "
            "as the file says, else letterbox, if not given.",
            show_default=False,
        ),
    ] = "",
    rgb: Annotated[
        bool | None, typer.Option("--rgb/--bgr", help="Channel order that it was trained with.", show_default=False)
    ] = None,
    mean: Annotated[
        str,
        typer.Option(
            help="Mean of each channel, in that order, of frames from 0 to 1 or from 0 to 255: 0.485,0.456,0.406."
        ),
    ] = "",
    std: Annotated[
        str, typer.Option(help="Standard deviation of each channel, in the same way: 0.229,0.224,0.225.")
    ] = "",
    value_range: Annotated[
        str,
        typer.Option("--range", metavar="LOW:HIGH", help="Instead of both: what black and white become, such as 0:1."),
    ] = "",
    segmentation: Annotated[
        str,
        typer.Option("--output-name", metavar="NAME", help="Output that is the segmentation, if there are several."),
    ] = "",
    frames: Annotated[
        Path | None,
        typer.Option(
            help="Without --data: photos or a video to compare both networks on; bundled frames if not given."
        ),
    ] = None,
    confidence: Confidence = False,
    force: Force = False,
) -> None:
    """Make a model file of another tool's network, kept only if it gives the same masks.

    With labelled frames: edgeunet import their.onnx -o model.onnx --data my_frames

    Without: edgeunet import their.onnx -o model.onnx --classes classes.json --rgb --range 0:1
    """
    require_installed("onnx", "onnxruntime")
    from edgeunet.utils.console import stdout
    from edgeunet.utils.limits import numbers, size_from_text
    from edgeunet_export.foreign.import_model import ImportOptions, import_model
    from edgeunet_export.summary import file_size, print_imported

    options = ImportOptions(
        data,
        split,
        frames,
        classes,
        size_from_text(size) if size else None,
        cast("Fit", fit) if fit else None,
        None if rgb is None else "rgb" if rgb else "bgr",
        numbers("--mean", mean),
        numbers("--std", std),
        numbers("--range", value_range, ":"),
        segmentation,
        weights,
        confidence,
    )
    imported = import_model(theirs, output, options, force=force)
    spec = imported.spec
    stdout().print(f"{output}: {len(spec.classes)} classes, {spec.input_text}, fp32, {file_size(output)}")
    print_imported(imported)
    dataset = shlex.quote(str(data or "my_frames"))
    stdout().print(f"next: edgeunet export int8 {shlex.quote(str(output))} --data {dataset} -o model.int8.onnx")
