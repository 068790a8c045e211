"""The frames a model is measured on: real ones, decoded before the clock starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import SourceError, not_found
from edgeunet.imaging.images import read_image
from edgeunet.imaging.pixels import Pixels, imitated, picture_of
from edgeunet.samples import DATASET
from edgeunet.spec import BGR, ModelSpec, PixelFormat

MAX_FRAMES = 16  # enough variety, and at 1920×1080 no more than 100 MB


@dataclass(frozen=True)
class InputFrames:
    """Frames in memory, and their name in a record."""

    name: str
    frames: tuple[Pixels, ...]  # [h, w, 3] BGR each, or as the model takes them


def load_inputs(source: str | Path | None, spec: ModelSpec | None = None) -> InputFrames:
    """Up to 16 frames of a dataset folder (its val split, or its first) or of a video; the bundled road frames if None.

    spec: of the model that takes them. The bundled frames are changed as if its camera had taken them.
    Raises DatasetError, ImageError or SourceError if there is nothing to read.
    """
    path = Path(source or DATASET)
    wanted = BGR if spec is None or source is None else spec.pixels
    frames = _of_dataset(path, wanted) if path.is_dir() else _of_video(path, wanted)
    if spec is not None and source is None:
        frames = [imitated(picture_of(frame), spec) for frame in frames]
    sizes = sorted({f"{frame.shape[1]}x{frame.shape[0]}" for frame in frames})
    kind = "" if spec is None or spec.pixels == BGR else f", {spec.pixels}"
    return InputFrames(f"{path.name}, {len(frames)} frames of {', '.join(sizes)}{kind}", tuple(frames))


def _of_dataset(path: Path, pixels: PixelFormat) -> list[Pixels]:
    dataset = DatasetFolder.open(path)
    split = "val" if "val" in dataset.splits() else next(iter(dataset.splits()), "val")
    return [read_image(file, pixels) for file in dataset.image_paths(split)[:MAX_FRAMES]]


def _of_video(path: Path, pixels: PixelFormat) -> list[Pixels]:
    if not path.is_file():
        raise SourceError(not_found(path, "dataset folder or video"))
    from edgeunet.camera.sources.opening import open_source  # the guard starts many processes that show no video

    frames: list[Pixels] = []
    with open_source(str(path), pixels) as video:
        while len(frames) < MAX_FRAMES and (frame := video.read()) is not None:
            frames.append(frame.pixels)
    return frames
