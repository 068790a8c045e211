"""Commands that run, score or describe a model: `edgeunet evaluate`, `predict` and `info`. Parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from edgeunet.cli.common_options import Backend, Force, Json, Size, Threads, Tiles
from edgeunet.utils import console
from edgeunet.utils.formatting import count, counted, percentage, without_labels
from edgeunet.utils.limits import size_from_text, tiles_from_text


def evaluate(
    model: Annotated[Path, typer.Argument(help="A checkpoint (.pt) or a model file (.onnx or .engine).")],
    data: Annotated[Path, typer.Argument(help="Dataset folder.")],
    split: Annotated[str, typer.Option(help="Split to score.")] = "val",
    size: Size = "",
    tiles: Tiles = "",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the scores to this JSON file.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page for people: confusions, worst frames (HTML, one file)."),
    ] = None,
    backend: Backend = None,
    threads: Threads = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Score a model on a labelled split: IoU, boundary F1, precision and recall of each class.

    Example: edgeunet evaluate model.onnx my_frames --split val --report page.html
    """
    from edgeunet.evaluation.command import evaluate as score

    evaluation = score(
        model,
        data,
        split,
        size=size_from_text(size) if size else None,
        tiles=tiles_from_text(tiles) if tiles else None,
        output=output,
        report=report,
        backend=backend,
        threads=threads,
        force=force,
    )
    value = evaluation.values
    if as_json:
        console.print_json(value)
        return
    figures = ("iou", "boundary_f1", "class_precision", "class_recall")
    rows = [[name, *(percentage(value[figure][name]) for figure in figures)] for name in value["iou"]]
    for row in rows:
        if row[0] in value["stray_pixels"]:
            row[1] = without_labels(value["stray_pixels"][row[0]])
    rows += [["mean", percentage(value["miou"]), percentage(value["mean_boundary_f1"]), "", ""]]
    title = f"{model} ({value['precision']}) on {value['frames']} {split} frames: mIoU {percentage(value['miou'])} %"
    header = ("class", "IoU %", "boundary F1 %", "precision %", "recall %")
    console.table(f"{title}, {percentage(value['accuracy'])} % of the pixels right", header, rows)
    if report is not None:
        console.stdout().print(f"page written to {report}")


def predict(
    model: Annotated[Path, typer.Argument(help="A model file (.onnx or .engine).")],
    inputs: Annotated[list[Path], typer.Argument(help="Images and folders of images.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for <name>.mask.png and <name>.overlay.jpg.")],
    backend: Backend = None,
    threads: Threads = None,
    force: Force = False,
) -> None:
    """Write the mask and an overlay of each image.

    Example: edgeunet predict model.onnx photos/ -o masks/
    """
    from edgeunet.camera.predict import predict_images
    from edgeunet.runtime import open_session

    with open_session(model, threads=threads, backend=backend) as session:
        images = predict_images(session, model, inputs, output, force=force)
    console.stdout().print(f"{images} image{'' if images == 1 else 's'} → {output}")


def info(
    model: Annotated[str, typer.Argument(help="A preset such as nano or lite, a checkpoint or a model file.")],
    size: Annotated[str, typer.Option(metavar="HEIGHTxWIDTH", help="Input size; the model's own if not given.")] = "",
    as_json: Json = False,
) -> None:
    """Show what a model is and what it costs: parameters, GFLOPs (2 for each multiply-add), activation memory."""
    from edgeunet.runtime.model_info import describe_model

    facts = describe_model(model, size_from_text(size) if size else None)
    if as_json:
        console.print_json(facts)
    else:
        shown = {name: value for name, value in facts.items() if name not in ("schema", "model")}
        console.table(model, ("", ""), [(_title(name), _text(name, value)) for name, value in shown.items()])


_TITLES = {
    "file_bytes": "file size",
    "encoder_levels": "channels of the encoder's levels",
    "levels": "channels of the levels",
    "first_stride": "first convolution",
    "tiles": "tiles of that size per frame",
    "counted_for": "counted for an input of",
    "target": "made for",
    "checkpoint_sha256": "made from checkpoint",
    "parent_sha256": "made from model",
    "pretrained_sha256": "started from ImageNet's weights",
    "dataset_sha256": "trained on data",
    "edgeunet_version": "edgeunet",
    "gflops": "GFLOPs",
    "activation_bytes": "peak activation memory",
    "trust": "confidence and familiarity",
    "gpu": "built for",
    "tensorrt_version": "TensorRT",
}


def _title(name: str) -> str:
    return _TITLES.get(name, name.replace("_", " "))


def _text(name: str, value: Any) -> str:
    if name.endswith("_sha256"):
        return str(value)[:12]
    if name.endswith("_bytes"):
        return f"{value / 1e6:.2f} MB"
    if name in ("input_size", "tiles", "counted_for"):
        return "×".join(map(str, value))
    if name == "first_stride":
        return "halves the size" if value == 2 else "keeps the size"
    if name == "gflops" and value == 0:
        return "<0.01"
    if name == "residual_blocks":
        blocks = [f"{b['channels']} channels, dilated {', '.join(map(str, b['dilations']))}" for b in value]
        return "; ".join(blocks)
    if name == "trust":
        return (
            f"confidence off by {value['error']:.1%} on average over {counted(value['judged'], 'frame')} "
            f"({value['uncalibrated_error']:.1%} uncalibrated), temperature {value['temperature']:.2f}; low below "
            f"{value['confidence_floor']:.2f} ({value['low']:.1%} of these frames); unfamiliar below "
            f"{value['familiarity_floor']:.2f} ({value['unfamiliar']:.1%})"
        )
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return count(value) if name == "parameters" else str(value)
