"""Names as a report shows them: short, unique, and without characters that XML and HTML forbid."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from edgeunet.latency.record import LatencyRecord

LENGTH = 40  # characters of a name; a command is its own name


def record_names(records: Sequence[LatencyRecord]) -> list[str]:
    """The model's name; where two are the same, with what differs: backend, mode, frames, day or a number."""
    names = [shortened(record.subject.model) for record in records]
    backends = [r.subject.backend.partition(" ")[0] for r in records]
    frames = [shortened(r.frames) for r in records]
    for tells in (backends, [r.mode for r in records], frames, [r.created[:10] for r in records]):
        told = Counter(name for name, _ in {*zip(names, tells, strict=True)})
        names = [f"{name}, {tell}" if told[name] > 1 else name for name, tell in zip(names, tells, strict=True)]
    return numbered(names)


def numbered(names: Sequence[str]) -> list[str]:
    """With a number behind those that are the same."""
    return [f"{name} ({names[: i + 1].count(name)})" if names.count(name) > 1 else name for i, name in enumerate(names)]


def shortened(model: str) -> str:
    """A model's file name without its suffix, or the beginning of a long command."""
    name = model.removesuffix(".onnx").removesuffix(".engine")
    return name if len(name) <= LENGTH else f"{name[: LENGTH - 1]}…"


_CONTROL = re.compile("[^\\t\\n\\r\\x20-\\x7e\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def readable(text: str) -> str:
    """Without control characters; half a surrogate pair becomes a replacement sign."""
    return _CONTROL.sub(lambda found: "\N{REPLACEMENT CHARACTER}" if found[0] >= "\ud800" else "", text)
