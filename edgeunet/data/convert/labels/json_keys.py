"""What a JSON file is, told by the keys at its two ends, without reading all of it."""

from __future__ import annotations

import re
from pathlib import Path

from edgeunet.data.text_lines import without_mark

_END = 1 << 16  # bytes


def json_keys(file: Path) -> set[str]:
    """The keys in the first and the last 64 KB of a file that is a JSON object; none if it is not or cannot be read."""
    try:
        with file.open("rb") as opened:
            head = opened.read(_END)
            opened.seek(max(len(head), file.stat().st_size - _END))
            tail = opened.read(_END)
    except OSError:
        return set()
    plain = without_mark(head)
    if not plain.lstrip().startswith(b"{"):
        return set()
    return {key.decode() for key in re.findall(rb'"(\w{1,40})"\s*:', plain + tail.replace(b"\0", b""))}
