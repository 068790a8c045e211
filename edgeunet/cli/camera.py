"""`edgeunet camera`: parse, call, print."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from edgeunet.cli.common_options import Backend, Force, Threads
from edgeunet.utils import console
from edgeunet.utils.limits import milliseconds_from_text


def camera(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="MODEL",
            help="A model file (.onnx or .engine) (default: the demo's). Give several, the preferred one first: the "
            "next one takes over while --deadline-ms is missed or the board throttles.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            help="0, /dev/video0, csi://0, rtsp://…, http://…, a video, an image or a folder of images, gst:PIPELINE, "
            "ros2:///topic, synthetic://; several times for several (default: EDGEUNET_SOURCE, a line each, or the "
            "first camera).",
            show_default=False,
        ),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Show the cameras of this machine and their modes.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Show the overlay in a window; q closes it.")] = False,
    serve: Annotated[
        str | None, typer.Option(metavar="PORT", help="Show it in browsers: PORT on this machine, or HOST:PORT.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the overlay as H.264 video to this file.")
    ] = None,
    save_masks: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write each mask as PNG into this folder.")
    ] = None,
    rtp: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Stream the overlay as H.264 to this address.")
    ] = None,
    jsonl: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a line of JSON per frame to this file; - for stdout.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="PORT", help="Serve figures for Prometheus: PORT or HOST:PORT.")
    ] = None,
    ros2: Annotated[
        str | None, typer.Option(metavar="TOPIC", help="Publish masks and their states on this topic of ROS 2.")
    ] = None,
    token: Annotated[
        # Other users of the machine see a command line, but not its environment.
        str | None,
        typer.Option(help="The secret that --serve and --metrics ask for.", envvar="EDGEUNET_TOKEN"),
    ] = None,
    deadline_ms: Annotated[float | None, typer.Option(help="Count masks that are older than this as late.")] = None,
    sync: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Pair the frames of several sources that were taken at most this long apart, such as 10ms.",
        ),
    ] = None,
    stall_s: Annotated[float, typer.Option(help="Open a camera again after this time without a frame.")] = 5.0,
    watch_model: Annotated[
        bool, typer.Option("--watch-model", help="Switch to a newer model file when it replaces this one.")
    ] = False,
    latency_record: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the age of every mask to this file, for `edgeunet bench report`."),
    ] = None,
    max_frames: Annotated[int | None, typer.Option(help="Stop after this number of frames of each source.")] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATE:SHARE",
            help="End with exit code 1 if more than this share of a source's masks were in this state, such as "
            "late:0.01; several times for several states.",
            show_default=False,
        ),
    ] = None,
    backend: Backend = None,
    threads: Threads = None,
    force: Force = False,
) -> None:
    """Segment cameras and videos: every frame of a file, only the newest of a live source.

    Without options: the first camera and the demo's model, in the browser.

    Examples:

    edgeunet camera model.onnx --source drive.mp4 --record overlay.mp4

    edgeunet camera model.onnx --source 0 --serve 8080 --deadline-ms 50

    edgeunet camera model.onnx --source rtsp://10.0.0.5/front --source rtsp://10.0.0.5/back --jsonl -

    edgeunet camera big.engine small.engine --source csi://0 --deadline-ms 33
    """
    from edgeunet.camera import CameraOptions, SinkOptions, run_camera
    from edgeunet.camera.defaults import default_model, default_sources, given_token
    from edgeunet.camera.serving.access import LOOPBACK
    from edgeunet.camera.serving.hostport import HostPort
    from edgeunet.camera.state.state_limit import StateLimit

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
        ros2=ros2,
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
        sync_ms=None if sync is None else milliseconds_from_text("--sync", sync),
        stall_s=stall_s,
        watch_model=watch_model,
        latency_record=latency_record,
        max_frames=max_frames,
        fail_on=tuple(map(StateLimit.parse, fail_on or ())),
    )
    run_camera(options)


def _print_cameras() -> None:
    from edgeunet.board.cameras import list_cameras

    out = console.stdout()
    cameras = list_cameras()
    for camera in cameras:
        out.print(f"{camera.address}  {camera.name or camera.problem}")
        for mode in camera.modes:
            rates = ", ".join(f"{rate:g}" for rate in mode.rates)
            out.print(f"  {mode.fourcc}  {mode.width}×{mode.height}  {rates + ' fps' if rates else ''}".rstrip())
    if not cameras:
        out.print("no camera found; a USB camera appears as /dev/video0 once it is connected")
