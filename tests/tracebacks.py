"""Whether a program that failed shows a traceback of ours, whatever else it and the programs around it print."""

from __future__ import annotations

import re
from pathlib import Path

import edgeunet
import edgeunet_bench
import edgeunet_export

PACKAGES = [Path(str(package.__file__)).parent for package in (edgeunet, edgeunet_export, edgeunet_bench)]


def frames_of_ours(printed: str) -> list[str]:
    """The files of our packages that tracebacks in this text name.

    The packages' folders count, not their names: a checkout may be called edgeunet, and hold the .venv with torch.
    """
    files = re.findall(r'^\s*File "(.+)", line \d+', printed, re.MULTILINE)
    return [file for file in files if any(Path(file).is_relative_to(package) for package in PACKAGES)]
