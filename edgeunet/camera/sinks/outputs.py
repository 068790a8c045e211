"""The outputs of a camera run: one table, checked before the work, from which the loop's sinks are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from edgeunet.camera.frame import Sink
from edgeunet.camera.loop.loop import Loop
from edgeunet.camera.options import CameraOptions
from edgeunet.camera.ros2.opening import require_ros2
from edgeunet.camera.serving.access import Access
from edgeunet.camera.serving.hostport import HostPort
from edgeunet.camera.serving.viewer import serving_page
from edgeunet.camera.sinks.background import Background
from edgeunet.camera.sinks.encoder import load_encoder
from edgeunet.camera.sinks.jsonl import STDOUT, LineWriter, check_lines
from edgeunet.camera.sinks.masks import MaskFolder, check_masks
from edgeunet.camera.sinks.recorder import Recorder, check_recordable
from edgeunet.camera.sinks.ros2_topics import TopicPublisher
from edgeunet.camera.sinks.routing import by_source, suffixes, with_suffix
from edgeunet.camera.sinks.rtp import streaming_rtp
from edgeunet.camera.sources.address import Address
from edgeunet.errors import OutputError, UsageError
from edgeunet.imaging.images import IMAGE_ENDINGS
from edgeunet.runtime.model_identity import state_of
from edgeunet.utils.dependencies import require_installed
from edgeunet.utils.files import require_distinct, require_writable

SDP = Path("edgeunet.sdp")  # in the current folder
_MASK = re.compile(r"\d{6,}(-.*)?\.png")


@dataclass(frozen=True)
class Output:
    """The output of one option.

    title, files: what is written where, one for each source or one for all. check: raises what making it would raise.
    make: the sink of a loop; None if the loop does not write it.
    """

    title: str
    files: tuple[Path, ...]
    check: Callable[[], None]
    make: Callable[[Loop], AbstractContextManager[Sink]] | None = None


class CameraOutputs:
    """All outputs of a run, by their options."""

    def __init__(self, options: CameraOptions, sources: Mapping[str, Address]) -> None:
        """sources: by their names."""
        heard = [address.target for address in sources.values() if address.kind == "ros2"]
        self._table = dict(_table(options, suffixes(list(sources)), heard))
        models = [options.model, *options.fallbacks]
        sidecars = [path.with_name(f"{path.name}.json") for path in models if path.suffix == ".engine"]
        files = [Path(address.target) for address in sources.values() if address.kind == "file"]
        self._inputs = {"MODEL": [*models, *sidecars], "--source": files}
        self._before = {path: state_of(path) for output in self._table.values() for path in output.files}

    def check(self) -> None:
        """Raise before any work what making them would raise: UsageError, OutputError or MissingDependencyError."""
        self._require_distinct()
        for option, output in self._table.items():
            try:
                output.check()
            except OutputError as error:
                raise OutputError(f"{option}: {error}") from error

    def sinks(self, loop: Loop) -> list[AbstractContextManager[Sink]]:
        """The sinks of this loop, which has not started yet."""
        return [output.make(loop) for output in self._table.values() if output.make is not None]

    def written(self) -> list[str]:
        """A line for each option: what was written where since this was made."""
        changed = {
            output.title: [str(path) for path in output.files if state_of(path) not in (None, self._before[path])]
            for output in self._table.values()
        }
        return [f"{title} written to {', '.join(paths)}" for title, paths in changed.items() if paths]

    def _require_distinct(self) -> None:
        """Raise UsageError if an output is an input or another output."""
        outputs = {option: list(output.files) for option, output in self._table.items()}
        # An image in a folder that is a source is an input too.
        images = [path for paths in outputs.values() for path in paths if path.suffix.lower() in IMAGE_ENDINGS]
        folders = self._inputs["--source"]
        inside = [folder / path.name for folder in folders for path in images if (folder / path.name).is_file()]
        inputs = {**self._inputs, "--source": [*folders, *inside]}
        for folder in outputs.get("--save-masks", ())[:1]:  # and a mask may replace a file of its folder
            others = [path for paths in (*inputs.values(), *outputs.values()) for path in paths if path != folder]
            outputs["--save-masks"] += [folder / path.name for path in others if _MASK.fullmatch(path.name)]
        require_distinct(outputs, inputs)


def _table(options: CameraOptions, ends: Mapping[str, str], heard: Sequence[str]) -> Iterator[tuple[str, Output]]:
    """Each output in the options, by its option. ends: what follows the stem in each source's file name. heard: the
    topics that are sources.
    """
    sinks, force = options.sinks, options.sinks.force
    if (access := sinks.access(sinks.serve)) is not None:
        yield "--serve", _page(access)
    if sinks.metrics is not None:  # served next to the loop, which does not write to it
        yield "--metrics", Output("", (), lambda: require_installed("aiohttp", "prometheus_client"))
    if sinks.record is not None:
        yield "--record", _video(sinks.record, ends, force=force)
    if sinks.rtp is not None:
        yield "--rtp", _stream(sinks.rtp, ends)
    if sinks.save_masks is not None:
        yield "--save-masks", _masks(sinks.save_masks, ends, force=force)
    if sinks.jsonl is not None:
        yield "--jsonl", _lines(sinks.jsonl, force=force, paired=options.sync_ms is not None)
    if sinks.ros2 is not None:
        yield "--ros2", _topics(sinks.ros2, ends, heard)
    if (record := options.latency_record) is not None:  # written at the end
        yield "--latency-record", Output("latency record", (record,), lambda: require_writable(record, force=force))


def _page(access: Access) -> Output:
    def make(loop: Loop) -> AbstractContextManager[Sink]:
        return serving_page(
            access, loop.session.spec, [reader.name for reader in loop.readers], loop.stats, loop.notify
        )

    return Output("", (), lambda: require_installed("aiohttp"), make)


# What takes long to write has a thread for each source: the pictures of one do not push out those of another.


def _video(path: Path, ends: Mapping[str, str], *, force: bool) -> Output:
    files = {name: with_suffix(path, end) for name, end in ends.items()}

    def check() -> None:
        for file in files.values():
            check_recordable(file, force=force)

    def make(loop: Loop) -> AbstractContextManager[Sink]:
        return by_source(
            {
                reader.name: _in_background(Recorder(file, reader.fps, force=force), f"--record {file}", loop)
                for reader in loop.readers
                for file in (files[reader.name],)
            }
        )

    return Output("video", tuple(files.values()), check, make)


def _masks(folder: Path, ends: Mapping[str, str], *, force: bool) -> Output:
    def make(loop: Loop) -> AbstractContextManager[Sink]:
        masks = nullcontext(MaskFolder(folder, ends))
        return by_source({r.name: _in_background(masks, f"--save-masks {folder}", loop) for r in loop.readers})

    return Output("masks", (folder,), lambda: check_masks(folder, force=force), make)


def _stream(address: HostPort, ends: Mapping[str, str]) -> Output:
    """Each source takes two ports: the even one for RTP, the next one for RTCP."""
    files = {name: with_suffix(SDP, end) for name, end in ends.items()}

    def make(loop: Loop) -> AbstractContextManager[Sink]:
        streams: dict[str, AbstractContextManager[Sink]] = {}
        for index, reader in enumerate(loop.readers):
            to = HostPort(address.host, address.port + 2 * index)
            stream = streaming_rtp(to, files[reader.name], reader.fps, loop.notify)
            streams[reader.name] = _in_background(stream, f"--rtp {to}", loop)
        return by_source(streams)

    return Output("stream description", tuple(files.values()), load_encoder, make)


def _lines(path: Path, *, force: bool, paired: bool) -> Output:
    def make(loop: Loop) -> AbstractContextManager[Sink]:
        lines = LineWriter(path, loop.session.spec.names, force=force, paired=paired)
        return _in_background(lines, f"--jsonl {path}", loop)

    return Output("lines", () if path in STDOUT else (path,), lambda: check_lines(path, force=force), make)


def _topics(topic: str, ends: Mapping[str, str], heard: Sequence[str]) -> Output:
    def check() -> None:
        if any(f"{source}/".startswith(f"{topic}/") for source in heard):
            raise UsageError(f"--ros2 {topic} would publish on a topic that is also --source: give another one")
        require_ros2()

    def make(loop: Loop) -> AbstractContextManager[Sink]:
        publisher = TopicPublisher(topic, ends, confidence=loop.session.spec.trust is not None)
        return _in_background(publisher, f"--ros2 {topic}", loop)

    return Output("", (), check, make)


def _in_background(sink: AbstractContextManager[Sink], name: str, loop: Loop) -> Background:
    return Background(sink, name, live=loop.live, notify=loop.notify)
