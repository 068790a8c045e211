"""Saving every mask as a PNG file of class indices, which is what a dataset folder has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2

from edgeunet.camera.frame import Shot
from edgeunet.camera.sinks.routing import suffixes
from edgeunet.errors import OutputError
from edgeunet.utils.files import replacing, require_writable, writing


class MaskFolder:
    """A folder that gets one file a frame; saving_masks() makes it."""

    def __init__(self, folder: Path, suffixes: Mapping[str, str]) -> None:
        self._folder = folder
        self._suffixes = suffixes

    def write(self, shot: Shot) -> None:
        """Write <number>.png, or <number>-<source>.png where there are several: uint8 [h, w] at the frame's size.

        A file is there whole or not at all. Raises OutputError on a full disk.
        """
        path = self._folder / f"{shot.frame.number:06d}{self._suffixes[shot.source]}.png"
        mask = shot.result.letterbox.restore_mask(shot.result.mask)
        data = cv2.imencode(".png", mask)[1]
        with writing(path), replacing(path, force=True) as temporary:
            temporary.write_bytes(data.tobytes())


def check_masks(folder: Path, *, force: bool) -> None:
    """Raise OutputError before any work if the folder has PNG files already without `force`, or cannot be written."""
    require_writable(folder / "000000.png", force=True)
    if not force and (older := next(folder.glob("*.png"), None)) is not None:
        raise OutputError(
            f"{folder} has masks already ({older.name}): give --force to write among them, or another one"
        )


@contextmanager
def saving_masks(folder: Path, sources: Sequence[str], *, force: bool) -> Iterator[MaskFolder]:
    """A MaskFolder for these sources. Raises OutputError as check_masks() does."""
    check_masks(folder, force=force)
    yield MaskFolder(folder, suffixes(sources))
