"""An address of a camera where a command takes a file: its password would be shown, or become the name of a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import pairwise

from edgeunet.errors import UsageError
from edgeunet.utils.redaction import shown_address

TAKE_OTHER_TEXT = frozenset({"--source", "--serve", "--metrics", "--rtp", "--token", "--command"})
_ADDRESS = re.compile(r"(?i)[a-z][a-z0-9+.-]+:[/\\]|gst:")


def require_no_address(words: Sequence[str]) -> Sequence[str]:
    """The words of a command line; raises UsageError, without passwords, if one is an address where a path belongs."""
    for before, word in pairwise(["", *words]):
        option, _, path = word.partition("=") if word.startswith("-") else (before, "", word)
        if option not in TAKE_OTHER_TEXT and _ADDRESS.match(path) and not os.path.lexists(path):
            raise UsageError(
                f"{shown_address(path)} is an address, and a file or folder is expected here; "
                "for a camera or a stream: `edgeunet camera MODEL --source ADDRESS`"
            )
    return words
