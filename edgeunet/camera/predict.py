"""Masks and overlays of single images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from edgeunet import console
from edgeunet.camera.images import image_paths
from edgeunet.camera.overlay import OPACITY, Overlay
from edgeunet.errors import ImageError, SourceError, UsageError
from edgeunet.files import replacing, require_free
from edgeunet.frames import UInt8
from edgeunet.image_header import Header, read_header
from edgeunet.images import named, read_file, read_image
from edgeunet.runtime.session import Session


def predict_images(session: Session, inputs: Sequence[Path], folder: Path, *, force: bool) -> int:
    """Write <name>.mask.png (class index at the image's size) and <name>.overlay.jpg of every image into `folder`.

    inputs: image files and folders of them. Gives the number of images. Looks at all inputs and outputs
    before it writes anything: raises SourceError for what cannot be read, OutputError for what exists.
    """
    images = [path for source in inputs for path in image_paths(source)]
    if twice := {p.stem for p in images if sum(q.stem == p.stem for q in images) > 1}:
        raise UsageError(f"several images are named {min(twice)}: their masks would overwrite each other")
    for path in images:
        _header(path)
    targets = [(folder / f"{p.stem}.mask.png", folder / f"{p.stem}.overlay.jpg") for p in images]
    for pair in targets:
        for target in pair:
            require_free(target, force=force)
    overlay = Overlay(session.spec, OPACITY)
    with console.progress() as bar:
        for path, (mask_path, overlay_path) in bar.track(
            list(zip(images, targets, strict=True)), description="predicting"
        ):
            try:
                frame = read_image(path)
            except ImageError as error:
                raise SourceError(str(error)) from error
            result = session.run(frame)
            _write(mask_path, result.fitting.unfit_mask(result.mask))
            _write(overlay_path, overlay.draw(frame, result))
    return len(images)


def _header(path: Path) -> Header:
    try:
        with named(path):
            return read_header(read_file(path))
    except ImageError as error:
        raise SourceError(str(error)) from error


def _write(path: Path, image: UInt8) -> None:
    with replacing(path, force=True) as temporary:
        _, data = cv2.imencode(path.suffix, image)
        temporary.write_bytes(data.tobytes())
