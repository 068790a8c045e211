"""The files that a camera writes, known before the work: no input is one of them, and each can be written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgeunet.camera.options import CameraOptions
from edgeunet.camera.sinks.encoder import load_av
from edgeunet.camera.sinks.jsonl import STDOUT, check_lines
from edgeunet.camera.sinks.masks import check_masks
from edgeunet.camera.sinks.recorder import check_recordable
from edgeunet.camera.sinks.routing import suffixes, with_suffix
from edgeunet.camera.sources.address import Address
from edgeunet.errors import OutputError
from edgeunet.imaging.images import IMAGE_ENDINGS
from edgeunet.runtime.model_identity import state_of
from edgeunet.utils.files import require_distinct, require_writable

SDP = Path("edgeunet.sdp")  # in the current folder
_MASK = re.compile(r"\d{6,}(-.*)?\.png")
_TITLES = {
    "--record": "video",
    "--save-masks": "masks",
    "--jsonl": "lines",
    "--rtp": "stream description",
    "--latency-record": "latency record",
}


@dataclass(frozen=True)
class Files:
    """By the option that asks for them; of videos and stream descriptions one for each source."""

    record: Mapping[str, Path]
    sdp: Mapping[str, Path]
    masks: Path | None
    lines: Path | None
    latency: Path | None

    @classmethod
    def of(cls, options: CameraOptions, sources: Sequence[str]) -> Files:
        """What these options will write of these sources, by their names."""
        sinks, ends = options.sinks, suffixes(sources)
        record = {name: with_suffix(sinks.record, end) for name, end in ends.items()} if sinks.record else {}
        sdp = {name: with_suffix(SDP, end) for name, end in ends.items()} if sinks.rtp else {}
        lines = None if sinks.jsonl == STDOUT else sinks.jsonl
        return cls(record, sdp, sinks.save_masks, lines, options.latency_record)

    def by_option(self) -> dict[str, list[Path]]:
        """All of them."""
        single = {"--save-masks": self.masks, "--jsonl": self.lines, "--latency-record": self.latency}
        found = {option: [path] for option, path in single.items() if path is not None}
        return {"--record": list(self.record.values()), "--rtp": list(self.sdp.values()), **found}

    def require(self, options: CameraOptions) -> None:
        """Raise before any work what the sinks would, by option: UsageError, OutputError, MissingDependencyError."""
        outputs = self.by_option()
        sources = [path for address in options.sources if (path := _file_of(address)) is not None]
        # What lies in a folder of images and is one is an input too.
        images = [path for paths in outputs.values() for path in paths if path.suffix.lower() in IMAGE_ENDINGS]
        sources += [folder / path.name for folder in sources for path in images if (folder / path.name).is_file()]
        inputs = {"MODEL": _model_files(options), "--source": sources}
        if self.masks is not None:  # files of the folder that a mask might replace
            others = [path for paths in (*inputs.values(), *outputs.values()) for path in paths if path != self.masks]
            outputs["--save-masks"] += [self.masks / path.name for path in others if _MASK.fullmatch(path.name)]
        require_distinct(outputs, inputs)
        force = options.sinks.force
        for path in self.record.values():
            with _named("--record"):
                check_recordable(path, force=force)
        if self.sdp:
            load_av()
        if self.masks is not None:
            with _named("--save-masks"):
                check_masks(self.masks, force=force)
        if options.sinks.jsonl is not None:
            with _named("--jsonl"):
                check_lines(options.sinks.jsonl, force=force)
        if self.latency is not None:
            with _named("--latency-record"):
                require_writable(self.latency, force=force)

    def states(self) -> dict[Path, object]:
        """What changes with each of them when it is written."""
        return {path: state_of(path) for paths in self.by_option().values() for path in paths}

    def written_since(self, before: Mapping[Path, object]) -> list[str]:
        """A line for each option: what was written where."""
        lines = []
        for option, paths in self.by_option().items():
            if changed := [str(path) for path in paths if state_of(path) not in (None, before[path])]:
                lines.append(f"{_TITLES[option]} written to {', '.join(changed)}")
        return lines


def _model_files(options: CameraOptions) -> list[Path]:
    models = [options.model, *options.fallbacks]
    return [*models, *(path.with_name(f"{path.name}.json") for path in models if path.suffix == ".engine")]


def _file_of(address: str) -> Path | None:
    """The file or folder that a source is; None for a camera or a stream."""
    found = Address.parse(address)
    return Path(found.target) if found.kind == "file" else None


@contextmanager
def _named(option: str) -> Iterator[None]:
    try:
        yield
    except OutputError as error:
        raise OutputError(f"{option}: {error}") from error
