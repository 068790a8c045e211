"""Saving every mask as a PNG file of class indices, as a dataset folder has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from edgeunet.camera.frame import Shot
from edgeunet.errors import OutputError
from edgeunet.imaging.written_image import require_written, write_image
from edgeunet.utils.files import require_writable

_NUMBERED = re.compile(r"\d{6,}(-.*)?\.png")


class MaskFolder:
    """A sink that writes one file for each frame into a folder; call check_masks() first."""

    def __init__(self, folder: Path, suffixes: Mapping[str, str]) -> None:
        """suffixes: by source, what follows the number in its file names, see routing.suffixes()."""
        self._folder = folder
        self._suffixes = suffixes

    def write(self, shot: Shot) -> None:
        """Write <number>.png, or <number>-<source>.png if there are several sources: uint8 [h, w] at the frame's size.

        Each file is written whole or not at all. Raises OutputError on a full disk.
        """
        path = self._folder / f"{shot.frame.number:06d}{self._suffixes[shot.source]}.png"
        write_image(path, shot.result.letterbox.restore_mask(shot.result.mask))


def check_masks(folder: Path, *, force: bool) -> None:
    """Raise OutputError if the folder cannot be written or has PNG files already; with `force`, if one of them was
    not written by edgeunet and has a name that a mask may get.
    """
    require_writable(folder / "000000.png", force=True)
    older = sorted(folder.glob("*.png"))
    if older and not force:
        raise OutputError(f"{folder} has PNG files already ({older[0].name}): give another folder, or --force to add")
    for path in older:
        if _NUMBERED.fullmatch(path.name):
            require_written(path)
