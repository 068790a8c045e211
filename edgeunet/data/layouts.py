"""The layouts that `edgeunet data convert` reads, recognised by their folders, and the command itself."""

from __future__ import annotations

import shlex
from pathlib import Path

_FOLDERS = {
    "cityscapes": ("leftImg8bit", "gtFine"),
    "camvid": ("701_StillsRaw_full", "LabeledApproved_full"),
    "segnet": ("train", "trainannot"),
    "colors": ("images", "masks"),
}
# "indices" has the same folders as "colors": only the values of the masks differ.
LAYOUTS = (*_FOLDERS, "indices")


def detect(path: Path) -> str | None:
    """The layout of a folder; None if its folders match no layout."""
    return next((name for name, folders in _FOLDERS.items() if all((path / f).is_dir() for f in folders)), None)


def described() -> str:
    """The folders of each layout, for a message."""
    return "; ".join(f"{name} has {' and '.join(f'{f}/' for f in folders)}" for name, folders in _FOLDERS.items())


def convert_command(path: Path) -> str:
    """The command that converts that folder into one next to it."""
    whole = path.resolve() if path.name in ("", "..") else path
    target = whole.with_name(f"{whole.name}-indices")
    return f"edgeunet data convert {shlex.quote(str(path))} -o {shlex.quote(str(target))}"
