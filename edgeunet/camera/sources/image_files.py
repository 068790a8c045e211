"""An image or a folder of images as a source: each one a frame, in the order of their names."""

from __future__ import annotations

import os
from pathlib import Path

from edgeunet.camera.sources.address import shown_path
from edgeunet.camera.sources.source import Source
from edgeunet.errors import ImageError, SourceError
from edgeunet.imaging.images import SOME_ENDINGS, images_in, is_hidden, read_image
from edgeunet.imaging.pixels import Pixels
from edgeunet.spec import BGR, PixelFormat


class ImageSource(Source):
    """Images of any sizes. One that is damaged is skipped and counted, but the first must be whole."""

    live = False
    fps = 0.0

    def __init__(self, path: Path, pixels: PixelFormat = BGR) -> None:
        """pixels: to read the images with. Raises SourceError if there is no image, or if the first is damaged."""
        super().__init__()
        self.name = shown_path(path)
        self._paths, self._pixels = image_paths(path), pixels
        self.frame_count = len(self._paths)
        try:
            first = read_image(self._paths[0], pixels)
        except ImageError as error:
            raise SourceError(str(error)) from error
        self.size = (first.shape[0], first.shape[1])

    def _grab(self) -> bool:
        return self._number < len(self._paths)

    def _retrieve(self) -> Pixels | None:
        try:
            return read_image(self._paths[self._number], self._pixels)
        except ImageError:
            return None

    def close(self) -> None:
        """Nothing is open between two images."""


def image_paths(path: Path) -> list[Path]:
    """An image file, or the images of a folder sorted by name. Raises SourceError if there is none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise SourceError(f"{shown_path(path)}: no such image or folder")
    found = images_in(path)
    if not found:
        folders = (f for f in sorted([*path.glob("*"), *path.glob("*/*")]) if f.is_dir() and not is_hidden(f))
        below = next((f for f in folders if os.access(f, os.R_OK) and images_in(f)), None)
        advice = f", but {shown_path(below)} has: give that folder" if below else f" ({SOME_ENDINGS})"
        raise SourceError(f"{shown_path(path)} has no images{advice}")
    return found
