"""The frames a model is measured on: real ones, decoded before the clock starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import SourceError, not_found
from edgeunet.imaging.images import read_image
from edgeunet.imaging.letterbox import UInt8
from edgeunet.samples import DATASET

MAX_FRAMES = 16  # enough variety, and at 1920×1080 no more than 100 MB


@dataclass(frozen=True)
class InputFrames:
    """Frames in memory, and their name in a record."""

    name: str
    frames: tuple[UInt8, ...]  # [h, w, 3] BGR each


def load_inputs(source: str | Path | None) -> InputFrames:
    """Up to 16 frames of a dataset folder (its val split, or its first) or of a video; the bundled road frames if None.

    Raises DatasetError, ImageError or SourceError if there is nothing to read.
    """
    path = Path(source or DATASET)
    frames = _of_dataset(path) if path.is_dir() else _of_video(path)
    sizes = sorted({f"{frame.shape[1]}x{frame.shape[0]}" for frame in frames})
    return InputFrames(f"{path.name}, {len(frames)} frames of {', '.join(sizes)}", tuple(frames))


def _of_dataset(path: Path) -> list[UInt8]:
    dataset = DatasetFolder.open(path)
    split = "val" if "val" in dataset.splits() else next(iter(dataset.splits()), "val")
    return [read_image(file) for file in dataset.image_paths(split)[:MAX_FRAMES]]


def _of_video(path: Path) -> list[UInt8]:
    if not path.is_file():
        raise SourceError(not_found(path, "dataset folder or video"))
    from edgeunet.camera.sources.opening import open_source  # the guard starts many processes that show no video

    frames: list[UInt8] = []
    with open_source(str(path)) as video:
        while len(frames) < MAX_FRAMES and (frame := video.read()) is not None:
            frames.append(frame.pixels)
    return frames
