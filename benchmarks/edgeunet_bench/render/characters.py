"""Names and commands hold any character; a report, XML for CI and a figure hold only those that all readers take."""

from __future__ import annotations

import re

_CONTROL = re.compile("[^\\t\\n\\r\\x20-\\x7e\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def readable(text: str) -> str:
    """Without control characters; what is no character at all (half a surrogate pair) becomes a replacement sign."""
    return _CONTROL.sub(lambda found: "\N{REPLACEMENT CHARACTER}" if found[0] >= "\ud800" else "", text)
