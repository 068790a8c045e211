"""Several sources: a sink for each of them, and names that tell their files apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from edgeunet.camera.frame import Shot, Sink


class Router:
    """Passes each shot to the sink of its source."""

    def __init__(self, sinks: Mapping[str, Sink]) -> None:
        self._sinks = sinks

    def write(self, shot: Shot) -> None:
        """Raises what that sink raises."""
        self._sinks[shot.source].write(shot)


@contextmanager
def by_source(sinks: Mapping[str, AbstractContextManager[Sink]]) -> Iterator[Router]:
    """A Router to these sinks, by the name of the source; all of them are entered and left together."""
    with ExitStack() as stack:
        yield Router({source: stack.enter_context(sink) for source, sink in sinks.items()})


def suffixes(sources: Sequence[str]) -> dict[str, str]:
    """What follows the stem in each source's file name: nothing for a single source, else "-camera-0", "-drive".

    Only letters, digits, dots and dashes; no two are the same.
    """
    if len(sources) == 1:
        return {sources[0]: ""}
    found: dict[str, str] = {}
    for source in sources:
        plain = re.sub(r"[^\w.]+", "-", Path(source).stem if Path(source).exists() else source, flags=re.ASCII)
        suffix = f"-{plain.strip('-.') or 'source'}"
        while suffix in found.values():
            suffix += "-2"
        found[source] = suffix
    return found


def with_suffix(path: Path, suffix: str) -> Path:
    """out.mp4 → out-camera-0.mp4"""
    return path.parent / f"{path.stem}{suffix}{path.suffix}"  # with_name() refuses an empty name
