"""The command line: parse, call, print. Everything heavy is imported inside the command that needs it."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeunet import __version__
from edgeunet.cli.bench import app as bench_app
from edgeunet.cli.bench.fit import fit
from edgeunet.cli.data import app as data_app
from edgeunet.cli.export import app as export_app
from edgeunet.cli.options import Force, Json, Threads
from edgeunet.cli.train import train
from edgeunet.utils import console
from edgeunet.utils.limits import size_from_text

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(train)
app.add_typer(data_app, name="data")
app.command()(fit)
app.add_typer(export_app, name="export")
app.add_typer(bench_app, name="bench")

Model = Annotated[Path, typer.Argument(help="A checkpoint (.pt) or a model file (.onnx or .engine).")]
Backend = Annotated[
    str | None, typer.Option(help="For .onnx files: onnxruntime or openvino; the faster one if not given.")
]


def _version(*, wanted: bool) -> None:
    if wanted:
        console.stdout().print(f"edgeunet {__version__}")
        raise typer.Exit


@app.callback()
def edgeunet(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=lambda wanted: _version(wanted=wanted), is_eager=True, help="The version."),
    ] = False,
) -> None:
    """Train a compact U-Net, export it, run it behind a camera, and guard its latency.

    --debug, anywhere, shows the traceback of an error and what libraries print.
    """


@app.command()
def evaluate(
    model: Model,
    data: Annotated[Path, typer.Argument(help="Dataset folder.")],
    split: Annotated[str, typer.Option(help="Split to score.")] = "val",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the scores to this JSON file.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a page for people: confusions, worst frames (HTML, one file).")
    ] = None,
    backend: Backend = None,
    threads: Threads = None,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Score a model on a labelled split: IoU, boundary F1, precision and recall of each class.

    Example: edgeunet evaluate model.onnx my_frames --split val --report page.html
    """
    from edgeunet.evaluation import evaluate_model
    from edgeunet.evaluation.page import EvaluationPage
    from edgeunet.utils.endings import require_no_other_ending
    from edgeunet.utils.files import require_distinct, require_writable, write_json
    from edgeunet.utils.formatting import percentage, without_labels

    require_distinct({"-o": output, "--report": report}, {"MODEL": model, "DATA": data})
    if output is not None:
        require_no_other_ending("-o", output, "JSON", ".json")
        require_writable(output, force=force)
    if report is not None:
        require_no_other_ending("--report", report, "a page", ".html")
    page = None if report is None else EvaluationPage(report, force=force)
    with _segmenter(model, threads, backend) as segmenter:
        evaluation = evaluate_model(segmenter, model, data, split)
        value = evaluation.values
        if output is not None:
            write_json(output, value, force=force)
        if page is not None:
            page.write(evaluation, segmenter)
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


@app.command()
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
        count = predict_images(session, model, inputs, output, force=force)
    console.stdout().print(f"{count} image(s) → {output}")


@app.command()
def info(
    model: Annotated[str, typer.Argument(help="A preset (nano, small, base, classic), a checkpoint or a model file.")],
    size: Annotated[str, typer.Option(help="Input size HEIGHTxWIDTH; the model's own if not given.")] = "",
    as_json: Json = False,
) -> None:
    """Say what a model is and what it costs: parameters, GFLOPs (2 for each multiply-add), activation memory."""
    from edgeunet.cli.info import describe, rows

    facts = describe(model, size_from_text(size) if size else None)
    if as_json:
        console.print_json(facts)
    else:
        console.table(model, ("", ""), rows(facts))


@app.command()
def camera(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MODEL",
            help="A model file (.onnx or .engine) (default: the demo's). Several, the most wanted first: the next one "
            "takes over while --deadline-ms is missed or the board throttles.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="0, /dev/video0, csi://0, rtsp://…, http://…, a video, an image or a folder of images, gst:PIPELINE, "
            "synthetic://; several times for several (default: EDGEUNET_SOURCE, a line each, or the first camera).",
            show_default=False,
        ),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Show the cameras of this machine and their modes.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Show the overlay in a window; q closes it.")] = False,
    serve: Annotated[str | None, typer.Option(help="Show it in browsers: PORT on this machine, or HOST:PORT.")] = None,
    record: Annotated[Path | None, typer.Option(help="Write the overlay as H.264 video to this file.")] = None,
    save_masks: Annotated[Path | None, typer.Option(help="Write each mask as PNG into this folder.")] = None,
    rtp: Annotated[str | None, typer.Option(help="Stream the overlay as H.264 to HOST:PORT.")] = None,
    jsonl: Annotated[Path | None, typer.Option(help="Write a line of JSON a frame to this file; - for stdout.")] = None,
    metrics: Annotated[str | None, typer.Option(help="Serve figures to Prometheus: PORT or HOST:PORT.")] = None,
    token: Annotated[
        # Other users of the machine see a command line, but not its environment.
        str | None,
        typer.Option(help="What --serve and --metrics ask their readers for.", envvar="EDGEUNET_TOKEN"),
    ] = None,
    deadline_ms: Annotated[float | None, typer.Option(help="Count masks that are older than this as late.")] = None,
    stall_s: Annotated[float, typer.Option(help="Open a camera again after so many seconds without a frame.")] = 5.0,
    watch_model: Annotated[
        bool, typer.Option("--watch-model", help="Take over a newer model file when it replaces this one.")
    ] = False,
    latency_record: Annotated[
        Path | None, typer.Option(help="Write the age of every mask to this file, for `edgeunet bench report`.")
    ] = None,
    max_frames: Annotated[int | None, typer.Option(help="Stop after that many frames of each source.")] = None,
    backend: Backend = None,
    threads: Threads = None,
    force: Force = False,
) -> None:
    """Segment cameras and videos: every frame of a file, only the newest of a live source.

    Without anything: the first camera and the demo's model, in the browser.

    Examples:

    edgeunet camera model.onnx --source drive.mp4 --record overlay.mp4

    edgeunet camera model.onnx --source 0 --serve 8080 --deadline-ms 50

    edgeunet camera model.onnx --source rtsp://10.0.0.5/front --source rtsp://10.0.0.5/back --jsonl -

    edgeunet camera big.engine small.engine --source csi://0 --deadline-ms 33
    """
    from edgeunet.camera import CameraOptions, SinkOptions, run_camera
    from edgeunet.camera.serving.access import LOOPBACK
    from edgeunet.camera.serving.hostport import HostPort
    from edgeunet.camera.sources.default_source import default_model, default_sources, given_token

    if listing:
        _print_cameras()
        return
    nothing = SinkOptions(token=given_token(token))
    sinks = replace(
        nothing,
        show=show,
        serve=None if serve is None else HostPort.parse(serve, LOOPBACK),
        record=record,
        save_masks=save_masks,
        rtp=None if rtp is None else HostPort.parse(rtp),
        jsonl=jsonl,
        metrics=None if metrics is None else HostPort.parse(metrics, LOOPBACK),
        force=force,
    )
    if not models and not source and sinks == nothing:
        sinks = replace(nothing, serve=HostPort(LOOPBACK, 0))
    model, *fallbacks = models or [default_model()]
    options = CameraOptions(
        model=model,
        fallbacks=tuple(fallbacks),
        sources=tuple(source or default_sources()),
        sinks=sinks,
        backend=backend,
        threads=threads,
        deadline_ms=deadline_ms,
        stall_s=stall_s,
        watch_model=watch_model,
        latency_record=latency_record,
        max_frames=max_frames,
    )
    run_camera(options)


@app.command()
def doctor(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Model files (.onnx or .engine): whether they run on this machine.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at this machine: what is there, what is missing or set badly, and the command that mends it.

    Each line is ok, warning (something does not work, or not well) or wrong (exit code 1).

    Example: edgeunet doctor model.engine
    """
    from edgeunet.doctor import examine
    from edgeunet.doctor.cameras import check_cameras
    from edgeunet.doctor.models import check_models

    checks = [*examine(), *check_cameras(), *check_models(files or ())]
    if as_json:
        console.print_json([vars(f) for f in checks])
    else:
        console.print_checks(checks)
    if any(f.state == "wrong" for f in checks):
        raise typer.Exit(1)


def _segmenter(model: Path, threads: int | None, backend: str | None) -> Any:
    """What segments frames, in a `with`: a checkpoint in PyTorch, anything else in a session."""
    from edgeunet.utils.model_kind import is_checkpoint

    if is_checkpoint(model):
        from edgeunet.network.torch_segmenter import open_checkpoint

        return open_checkpoint(model)
    from edgeunet.runtime import open_session

    return open_session(model, threads=threads, backend=backend)


def _print_cameras() -> None:
    from edgeunet.camera.sources.capture.listing import list_cameras

    out = console.stdout()
    cameras = list_cameras()
    for camera in cameras:
        out.print(f"{camera.address}  {camera.name or camera.problem}")
        for mode in camera.modes:
            rates = ", ".join(f"{rate:g}" for rate in mode.rates)
            out.print(f"  {mode.fourcc}  {mode.width}×{mode.height}  {rates + ' frames/s' if rates else ''}".rstrip())
    if not cameras:
        out.print("no camera found; a USB camera appears as /dev/video0 once it is connected")


def main() -> None:
    """The `edgeunet` command."""
    # Before torch is loaded: how long its threads spin while they wait for each other before they sleep. By
    # default for long, and beside other busy programs for nothing. Measured with nano on 2 cores: 44 images a
    # second instead of 39 on a quiet machine, 19 instead of 12 beside two busy programs.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    try:
        sys.exit(console.run(lambda: app(arguments), debug="--debug" in sys.argv))
    except SystemExit as end:
        if any(thread.name == "edgeunet-inferrer" for thread in threading.enumerate()):
            # The camera left an inference behind that hangs, and Python would wait for the backend's threads.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        raise
