"""The command that converts a folder, as messages name it."""

from __future__ import annotations

import shlex
from pathlib import Path


def convert_command(path: Path) -> str:
    """The command that converts that folder into one next to it."""
    whole = path.resolve() if path.name in ("", "..") else path
    target = whole.with_name(f"{whole.name}-dataset")
    return f"edgeunet data convert {shlex.quote(str(path))} -o {shlex.quote(str(target))}"
