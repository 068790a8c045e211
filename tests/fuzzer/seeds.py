"""The valid files that are changed: those of earlier versions, pictures, clips and lists."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import cv2
import numpy as np

from edgeunet.imaging.letterbox import UInt8
from tests.datasets import draw

RELEASE = Path(__file__).parents[1] / "release"
PICTURES = ("photo.jpg", "photo.png", "photo.webp", "photo.tif", "photo.bmp")
CLIPS = {
    "clip.mp4": ("libx264", "yuv420p", {}),
    "clip.mkv": ("libx264", "yuv420p", {}),
    "parts.mp4": ("libx264", "yuv420p", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    "clip.avi": ("mjpeg", "yuvj420p", {}),
}
LISTS = {
    "label_colors.txt": "90 90 90 ground\n0 0 255 bar\n255 0 0 disc\n0 0 0 Void\n",
    "train.txt": "0\n1.png\n",
    "val.txt": "images/val/2.png masks/val/2.png\n",
}


def write_seeds(folder: Path) -> None:
    """Fill a new folder."""
    shutil.copytree(RELEASE, folder)
    shutil.copytree(folder / "dataset", folder / "source", ignore=shutil.ignore_patterns(".*"))
    frames = [draw(number)[0] for number in range(6)]
    for name in PICTURES:
        cv2.imwrite(str(folder / name), frames[0])
    for name in CLIPS:
        _write_clip(folder / name, frames)
    for name, text in LISTS.items():
        (folder / name).write_text(text)


def _write_clip(path: Path, frames: list[UInt8]) -> None:
    codec, pixels, options = CLIPS[path.name]
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], pixels
        for frame in (*frames, None):
            picture = None if frame is None else av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="bgr24")
            container.mux(stream.encode(picture))
