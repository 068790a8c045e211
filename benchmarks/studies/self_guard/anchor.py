"""The release anchor: the commit in benchmarks/baselines/release.json, and its code."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from edgeunet.errors import EdgeUNetError

PACKAGES = ("edgeunet", "export")  # what is guarded; what measures comes from the working tree for both


class NoAnchorError(EdgeUNetError):
    """The anchor's code is not here, so there is nothing to compare with."""


def extract(checkout: Path, commit: str, folder: Path) -> None:
    """Write the packages of that commit into `folder`; raises NoAnchorError if git does not have it."""
    archive = folder / "anchor.zip"
    command = ["git", "-C", str(checkout), "archive", "--format=zip", f"--output={archive}", commit, "--", *PACKAGES]
    try:
        subprocess.run(command, capture_output=True, check=True)
    except FileNotFoundError as error:
        raise NoAnchorError("git is not installed, so the release anchor cannot be read: apt install git") from error
    except subprocess.CalledProcessError as error:
        raise NoAnchorError(f"the release anchor {commit[:12]} is not in this clone: git fetch --unshallow") from error
    shutil.unpack_archive(archive, folder)
    archive.unlink()
