"""An image or a folder of images as a source: each one a frame, in the order of their names."""

from __future__ import annotations

from pathlib import Path

from edgeunet.camera.source import Source
from edgeunet.data.folder import read_image
from edgeunet.data.pairs import IMAGE_SUFFIXES
from edgeunet.errors import SourceError
from edgeunet.frames import UInt8


class ImageSource(Source):
    """Images of any sizes. One that is damaged is skipped and counted, but the first must be whole."""

    live = False
    fps = 0.0

    def __init__(self, path: Path) -> None:
        """Raises SourceError if there is no image, or if the first is damaged."""
        super().__init__()
        self.name = str(path)
        self._paths = image_paths(path)
        self.frame_count = len(self._paths)
        first = read_image(self._paths[0])
        if first is None:
            raise SourceError(f"{self._paths[0]} is damaged: its content is no image that can be decoded; remove it")
        self.size = (first.shape[0], first.shape[1])

    def _grab(self) -> bool:
        return self._number < len(self._paths)

    def _retrieve(self) -> UInt8 | None:
        return read_image(self._paths[self._number])

    def close(self) -> None:
        """Nothing is held between two images."""


def image_paths(path: Path) -> list[Path]:
    """An image file, or the images of a folder sorted by name. Raises SourceError if there is none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise SourceError(f"{path}: no such image or folder")
    found = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise SourceError(f"{path} has no images ({', '.join(IMAGE_SUFFIXES)})")
    return found
