"""A live source that OpenCV opens: cameras, streams and pipelines."""

from __future__ import annotations

import os
from typing import Any

import cv2
import numpy as np

from edgeunet.camera.sources.source import Source, UnusableError
from edgeunet.errors import SourceError
from edgeunet.imaging.pixels import Pixels
from edgeunet.spec import CHANNELS


class CaptureSource(Source):
    """Frames of a capture that is open."""

    live = True

    def __init__(self, capture: cv2.VideoCapture, name: str) -> None:
        super().__init__()
        self.name = name
        self.size = (int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)))
        self.fps = max(0.0, float(capture.get(cv2.CAP_PROP_FPS)))
        self._capture = capture

    def _grab(self) -> bool:
        if not self._capture.grab():
            raise SourceError(f"{self.name} stopped after {self._number} frames: check its cable, power or network")
        return True

    def _retrieve(self) -> Pixels | None:
        whole, pixels = self._capture.retrieve()
        if not whole:
            return None
        # OpenCV drops the last dimension of grey; NV12 and its like have one too, with more rows than the picture.
        if pixels.ndim == 2 and pixels.shape[0] == self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT):
            pixels = pixels[..., None]
        if pixels.ndim != 3 or pixels.shape[2] not in CHANNELS or pixels.dtype not in (np.uint8, np.uint16):
            raise UnusableError(
                f"{self.name} delivers {pixels.dtype} of shape {list(pixels.shape)} instead of [height, width, 1, 3 or "
                "4]: ask it for BGR (in a pipeline: videoconvert ! video/x-raw,format=BGR before appsink)"
            )
        return np.asarray(pixels)

    def close(self) -> None:
        self._capture.release()


def silence() -> None:
    """Keep OpenCV and FFmpeg from writing to stderr: SourceError says it in one line."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET; read when the first stream is opened
    # 4.x sets the level in cv2, 5 in cv2.utils.logging.
    module: Any = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging
    module.setLogLevel(0)  # silent
