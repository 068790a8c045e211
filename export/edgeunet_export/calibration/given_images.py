"""What `--data` names: a dataset, a folder of photos, or a video, of which some frames become files for a while."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2

from edgeunet import samples
from edgeunet.camera.sources.video.video_file import open_video
from edgeunet.data.classes import CLASSES_FILE
from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import DatasetError, EdgeUNetError
from edgeunet.imaging.images import IMAGE_ENDINGS, SOME_ENDINGS, images_in
from edgeunet.spec import ModelSpec
from edgeunet.utils.console import progress
from edgeunet_export.calibration.frames import spread


@dataclass(frozen=True)
class GivenImages:
    """dataset: None for photos and videos, which have neither splits nor masks. photos: then their image files."""

    dataset: DatasetFolder | None
    photos: Sequence[Path] = ()

    def of(self, split: str) -> list[Path]:
        """The images of a split, or all photos. Raises DatasetError if a dataset has no such split."""
        return list(self.photos) if self.dataset is None else self.dataset.image_paths(split)

    def halves(self) -> tuple[list[Path], list[Path]]:
        """Every other photo, and those between: to calibrate on, and to compare on. A single one is both."""
        return list(self.photos[::2]), list(self.photos[1::2] or self.photos)


@contextmanager
def given_images(data: Path | None, spec: ModelSpec, model: Path, most: int) -> Iterator[GivenImages]:
    """The images of `data`; without it, the package's own frames, which fit any model.

    most: frames of a video, spread over the whole of it. They are lossless files until the block ends.
    Raises MismatchError for a dataset of other classes than the model's, DatasetError for a damaged one and for a
    folder without images, SourceError for a file that is no video or a cut one, MissingDependencyError without PyAV.
    """
    if data is not None and not data.exists():
        raise DatasetError(f"{data}: no such dataset, folder of photos or video")
    if data is None:
        yield GivenImages(None, DatasetFolder.open(samples.DATASET).image_paths("train"))
    elif data.is_dir() and not (data / CLASSES_FILE).exists() and not (data / "images").is_dir():
        if not (photos := images_in(data)):
            raise DatasetError(
                f"{data} has neither {CLASSES_FILE} nor images ({SOME_ENDINGS}): give a dataset, a folder of photos or "
                "a video"
            )
        yield GivenImages(None, photos)
    elif data.is_file() and data.suffix.lower() in IMAGE_ENDINGS:
        yield GivenImages(None, [data])
    elif data.is_file():
        if data.suffix.lower() == ".zip":
            raise DatasetError(
                f"{data} is a .zip: make a dataset folder of it with `edgeunet data convert`, or unpack its photos"
            )
        with TemporaryDirectory(prefix="edgeunet-frames-") as folder:
            yield GivenImages(None, _frames_of(data, Path(folder), spec, most))
    else:
        dataset = DatasetFolder.open(data)
        spec.require_classes(dataset.names, model=str(model), dataset=str(data))
        yield GivenImages(dataset)


def _frames_of(video: Path, folder: Path, spec: ModelSpec, most: int) -> list[Path]:
    """Write at most that many frames of a video to a folder, all equally far apart."""
    kept: list[Path] = []
    with open_video(video, str(video), spec.pixels) as source, progress() as bar:
        if spec.channels == 4:
            raise DatasetError(f"{video} has no fourth channel, as no video has: give a folder of images of 4 channels")
        # The number of frames may be unknown or wrong: if there are more, every other one is left out on the way.
        every = max(1, (source.frame_count or 0) // most)
        task = bar.add_task(f"reading {video.name}", total=source.frame_count, note="")
        while frame := source.read():
            if frame.number % every == 0:
                path = folder / f"{video.stem}_{frame.number:06}.png"
                done, data = cv2.imencode(".png", frame.pixels)
                if not done:
                    raise EdgeUNetError(f"{video}: OpenCV cannot encode frame {frame.number}")
                path.write_bytes(data.tobytes())
                kept.append(path)
            if len(kept) == 2 * most:
                for path in kept[1::2]:
                    path.unlink()
                kept, every = kept[::2], 2 * every
            bar.advance(task)
    return spread(kept, most)
