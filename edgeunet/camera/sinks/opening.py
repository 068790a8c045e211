"""From the options of the command to the sinks of the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from edgeunet.camera.frame import Sink
from edgeunet.camera.options import SinkOptions
from edgeunet.camera.serving.hostport import HostPort
from edgeunet.camera.serving.viewer import serving_page
from edgeunet.camera.sinks.background import Background
from edgeunet.camera.sinks.jsonl import writing_lines
from edgeunet.camera.sinks.masks import saving_masks
from edgeunet.camera.sinks.output_files import Files
from edgeunet.camera.sinks.recorder import recording
from edgeunet.camera.sinks.routing import by_source
from edgeunet.camera.sinks.rtp import streaming_rtp
from edgeunet.camera.sources.source import DEFAULT_FPS, Source
from edgeunet.camera.statistics import LoopStats
from edgeunet.spec import ModelSpec


def make_sinks(
    options: SinkOptions,
    files: Files,
    sources: Mapping[str, Source],
    spec: ModelSpec,
    stats: Callable[[], Mapping[str, LoopStats]],
    notify: Callable[[str], None],
) -> list[AbstractContextManager[Sink]]:
    """The sinks for these sources, by name; the window is the main thread's and not among them.

    stats: gives the loop's figures once it runs.
    """
    made: list[AbstractContextManager[Sink]] = []
    rates = {name: source.fps or DEFAULT_FPS for name, source in sources.items()}
    live = any(source.live for source in sources.values())

    def add(sink: AbstractContextManager[Sink], option: str, where: Path | HostPort | None) -> None:
        made.append(Background(sink, f"{option} {where}", live=live, notify=notify))

    if (access := options.access(options.serve)) is not None:
        made.append(serving_page(access, spec, list(sources), stats, notify))
    if files.record:
        videos = {name: recording(path, rates[name], force=options.force) for name, path in files.record.items()}
        add(by_source(videos), "--record", options.record)
    if files.masks is not None:
        add(saving_masks(files.masks, list(sources), force=options.force), "--save-masks", files.masks)
    if options.rtp is not None:
        streams = {
            name: streaming_rtp(HostPort(options.rtp.host, options.rtp.port + 2 * index), sdp, rates[name], notify)
            for index, (name, sdp) in enumerate(files.sdp.items())
        }
        add(by_source(streams), "--rtp", options.rtp)
    if options.jsonl is not None:
        add(writing_lines(options.jsonl, spec.names, force=options.force), "--jsonl", options.jsonl)
    return made
