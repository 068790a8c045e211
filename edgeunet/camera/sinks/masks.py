"""Saving every mask as a PNG file of class indices, as a dataset folder has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2

from edgeunet.camera.frame import Shot
from edgeunet.errors import OutputError
from edgeunet.utils.files import replacing, require_writable, writing


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
        mask = shot.result.letterbox.restore_mask(shot.result.mask)
        data = cv2.imencode(".png", mask)[1]
        with writing(path), replacing(path, force=True) as temporary:
            temporary.write_bytes(data.tobytes())


def check_masks(folder: Path, *, force: bool) -> None:
    """Raise OutputError if the folder has PNG files already without `force`, or cannot be written."""
    require_writable(folder / "000000.png", force=True)
    if not force and (older := next(folder.glob("*.png"), None)) is not None:
        raise OutputError(f"{folder} has masks already ({older.name}): give --force to add to them, or another folder")
