"""From the options of the command to the sinks of the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from edgeunet.camera.access import Access
from edgeunet.camera.background import Background
from edgeunet.camera.feed import DEFAULT_FPS
from edgeunet.camera.frame import Sink
from edgeunet.camera.h264 import load_av
from edgeunet.camera.hostport import HostPort
from edgeunet.camera.jsonl import check_lines, writing_lines
from edgeunet.camera.masks import check_masks, saving_masks
from edgeunet.camera.recorder import check_recordable, recording
from edgeunet.camera.routing import by_source, suffixes, with_suffix
from edgeunet.camera.rtp import streaming_rtp
from edgeunet.camera.source import Source
from edgeunet.camera.statistics import LoopStats
from edgeunet.camera.viewer import serving_page
from edgeunet.spec import ModelSpec

SDP = Path("edgeunet.sdp")  # in the current folder


@dataclass(frozen=True)
class SinkOptions:
    """Where published frames go; several at once, or none.

    show: a window on the desktop. serve: the address of the page. record: a video file. save_masks: a folder. rtp: the
    address to stream to. jsonl: a file of lines, `-` for the standard output. metrics: the address for Prometheus.
    token: the secret of page and metrics. force: over what is there already.
    """

    show: bool = False
    serve: HostPort | None = None
    record: Path | None = None
    save_masks: Path | None = None
    rtp: HostPort | None = None
    jsonl: Path | None = None
    metrics: HostPort | None = None
    token: str | None = None
    force: bool = False

    def __post_init__(self) -> None:
        for address in (self.serve, self.metrics):
            self.access(address)

    @property
    def draw(self) -> bool:
        """Whether any of them looks at the overlay."""
        return self.show or any(where is not None for where in (self.serve, self.record, self.rtp))

    def access(self, address: HostPort | None) -> Access | None:
        """Who may read at an address; raises UsageError for a token that is too short."""
        return None if address is None else Access(address, self.token)


def check_sinks(options: SinkOptions) -> None:
    """Raise before any work what the sinks would: OutputError, UsageError, MissingPartError."""
    if options.record is not None:
        check_recordable(options.record, force=options.force)
    if options.save_masks is not None:
        check_masks(options.save_masks, force=options.force)
    if options.rtp is not None:
        load_av()
    if options.jsonl is not None:
        check_lines(options.jsonl, force=options.force)


def make_sinks(
    options: SinkOptions,
    sources: Mapping[str, Source],
    spec: ModelSpec,
    stats: Callable[[], Mapping[str, LoopStats]],
    notify: Callable[[str], None],
) -> list[AbstractContextManager[Sink]]:
    """The sinks for these sources, by name; the window is the main thread's and not among them.

    stats: gives the loop's figures once it runs.
    """
    made: list[AbstractContextManager[Sink]] = []
    ends = suffixes(list(sources))
    rates = {name: source.fps or DEFAULT_FPS for name, source in sources.items()}
    live = any(source.live for source in sources.values())
    if (access := options.access(options.serve)) is not None:
        made.append(serving_page(access, spec, list(sources), stats, notify))
    if options.record is not None:
        path, force = options.record, options.force
        videos = {name: recording(with_suffix(path, ends[name]), rates[name], force=force) for name in sources}
        made.append(Background(by_source(videos), f"--record {path}", live=live, notify=notify))
    if options.save_masks is not None:
        folder = saving_masks(options.save_masks, list(sources), force=options.force)
        made.append(Background(folder, f"--save-masks {options.save_masks}", live=live, notify=notify))
    if options.rtp is not None:
        streams = {
            # RTP takes even ports, RTCP the odd ones between them: RFC 3550, section 11.
            name: streaming_rtp(
                HostPort(options.rtp.host, options.rtp.port + 2 * index),
                with_suffix(SDP, ends[name]),
                rates[name],
                notify,
            )
            for index, name in enumerate(sources)
        }
        made.append(Background(by_source(streams), f"--rtp {options.rtp}", live=live, notify=notify))
    if options.jsonl is not None:
        lines = writing_lines(options.jsonl, spec.names, force=options.force)
        made.append(Background(lines, f"--jsonl {options.jsonl}", live=live, notify=notify))
    return made
