"""Masks and overlays of single images."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edgeunet.camera.sources.image_files import image_paths
from edgeunet.errors import ImageError, SourceError, UsageError
from edgeunet.imaging.image_header import HEAD, ImageHeader, read_header, what_else
from edgeunet.imaging.images import IMAGE_ENDINGS, is_hidden, named, read_file, read_image, require_pixels
from edgeunet.imaging.overlay import OPACITY, Overlay
from edgeunet.imaging.written_image import require_written, write_image
from edgeunet.runtime.session import Session
from edgeunet.spec import PixelFormat
from edgeunet.utils import console
from edgeunet.utils.files import require_distinct, require_writable

_JPEG_SIDE = 65_535  # pixels that JPEG can count


class _Job(NamedTuple):
    """One image, its header and where its mask and overlay go."""

    image: Path
    header: ImageHeader
    mask: Path
    overlay: Path


def predict_images(session: Session, model: Path, inputs: Sequence[Path], folder: Path, *, force: bool) -> int:
    """Write <name>.mask.png (class index at the image's size) and <name>.overlay.jpg of every image into `folder`.

    inputs: image files and folders of them. An overlay too large for JPEG is a .png. Returns the number of images.
    Checks all inputs and outputs before it writes anything: raises SourceError for what cannot be read, UsageError for
    an output that would overwrite an input or another output, OutputError for what exists or cannot be written.
    """
    listed = _listed(model, inputs, folder, session.spec.pixels, force=force)
    if not session.spec.levels and (deep := [w for w in listed if w.header.bits > 8]):
        console.stderr().print(
            f"warning: {len(deep)} image(s) have more than 8 bits per channel, of which the upper 8 are used: "
            f"{deep[0].image}{', …' if len(deep) > 1 else ''}"
        )
    overlay = Overlay(session.spec, OPACITY)
    with console.progress() as bar:
        for work in bar.track(listed, description="predicting"):
            try:
                frame = read_image(work.image, session.spec.pixels)
            except ImageError as error:
                raise SourceError(str(error)) from error
            result = session.run(frame)
            write_image(work.mask, result.letterbox.restore_mask(result.mask))
            write_image(work.overlay, overlay.draw(frame, result.mask, result.letterbox))
    return len(listed)


def _listed(model: Path, inputs: Sequence[Path], folder: Path, pixels: PixelFormat, *, force: bool) -> list[_Job]:
    """Every image with its outputs, none of which is an input or another output."""
    if folder.suffix.lower() in IMAGE_ENDINGS and not folder.is_dir():
        raise UsageError(f"--output {folder} is a folder, for the mask and the overlay of each image: name it as one")
    require_distinct({"--output": folder}, {"MODEL": model, "INPUT": [path for path in inputs if path.is_dir()]})
    listed = [_work(path, folder, pixels) for source in inputs for path in _images(source)]
    places: dict[Path, Path] = {}
    for work in listed:
        if (other := places.setdefault(work.mask, work.image)) is not work.image:
            raise UsageError(
                f"{other} and {work.image} have the same name, and their masks would overwrite each other: run a "
                f"separate command for each, with another --output"
            )
    taken = {_identity(path): path for path in (model, *(w.image for w in listed))}
    for target in (path for work in listed for path in (work.mask, work.overlay)):
        require_writable(target, force=force)
        if target.exists() and (path := taken.get(_identity(target))):
            raise UsageError(f"{target} would replace the input {path}: give another --output")
        require_written(target)
    return listed


def _images(path: Path) -> list[Path]:
    """The images of a file or folder; raises SourceError with the command for videos."""
    try:
        return image_paths(path)
    except SourceError:
        if path.is_dir():
            for file in sorted(path.iterdir()):
                if file.is_file() and not is_hidden(file):
                    _require_no_video(file)
        raise


def _require_no_video(path: Path) -> None:
    with path.open("rb") as file:
        kind = what_else(file.read(HEAD))
    if kind == "is a video":
        raise SourceError(
            f"{path} is a video, and predict is for images: use `edgeunet camera MODEL --source "
            f"{shlex.quote(str(path))} --record overlay.mp4`"
        )


def _work(path: Path, folder: Path, pixels: PixelFormat) -> _Job:
    try:
        with named(path):
            header = read_header(read_file(path))
            require_pixels(header, pixels)
    except ImageError as error:
        if path.is_file():
            _require_no_video(path)
        raise SourceError(str(error)) from error
    ending = ".jpg" if max(header.height, header.width) <= _JPEG_SIDE else ".png"
    return _Job(path, header, folder / f"{path.stem}.mask.png", folder / f"{path.stem}.overlay{ending}")


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
