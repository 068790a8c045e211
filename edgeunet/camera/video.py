"""A source that OpenCV opens: what all of them share, and video files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeunet.camera.container import frames_promised, require_whole
from edgeunet.camera.source import Source
from edgeunet.errors import SourceError
from edgeunet.frames import UInt8


class VideoSource(Source):
    """Frames of a capture that is open."""

    def __init__(self, capture: cv2.VideoCapture, name: str, *, live: bool, promised: int | None = None) -> None:
        super().__init__()
        self.name = name
        self.live = live
        self.size = (int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)))
        self.fps = max(0.0, float(capture.get(cv2.CAP_PROP_FPS)))
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.frame_count = promised or (count if count > 0 and not live else None)
        self._capture = capture
        self._promised = promised

    def _grab(self) -> bool:
        if self._capture.grab():
            return True
        if self.live:
            raise SourceError(f"{self.name} stopped after {self._number} frames: check its cable, power or network")
        if self._number == 0:
            raise SourceError(f"{self.name} has no picture that can be decoded: convert it to H.264 or MJPEG first")
        if self._promised is not None and self._number < self._promised:
            raise SourceError(
                f"{self.name} is damaged: frame {self._number} of {self._promised} and those after it cannot be "
                f"decoded; copy it again, or give --max-frames {self._number}"
            )
        return False

    def _retrieve(self) -> UInt8 | None:
        whole, pixels = self._capture.retrieve()
        if not whole:
            return None
        if pixels.ndim != 3 or pixels.shape[2] != 3:
            raise SourceError(
                f"{self.name} gives pictures of shape {list(pixels.shape)} instead of [height, width, 3]: "
                "ask it for BGR (in a pipeline: videoconvert ! video/x-raw,format=BGR before appsink)"
            )
        if not self.live and pixels.shape[:2] != self.size:
            raise SourceError(
                f"{self.name} changed at frame {self._number}: got {pixels.shape[1]}×{pixels.shape[0]} pixels "
                f"instead of {self.size[1]}×{self.size[0]}"
            )
        return np.asarray(pixels, dtype=np.uint8)

    def close(self) -> None:
        self._capture.release()


def open_video(path: Path) -> VideoSource:
    """Open a video file. Raises SourceError if it is missing, empty, cut or not a video."""
    if not path.is_file():
        raise SourceError(f"{path} is not a video file: give one file, a folder of images, or a camera such as 0")
    if path.stat().st_size == 0:
        raise SourceError(f"{path} is empty (0 bytes): copy or record it again")
    require_whole(path)
    silence()
    # Without a named backend OpenCV would take a text file for a list of images.
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise SourceError(f"{path} is not a video that OpenCV can open: expected a video file such as .mp4, .mkv, .avi")
    return VideoSource(capture, str(path), live=False, promised=frames_promised(path))


def silence() -> None:
    """Keep OpenCV and FFmpeg from writing to stderr what SourceError says in one line."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET; read when the first video is opened
    # 4.x sets the level in cv2, 5 in cv2.utils.logging.
    module: Any = cv2 if hasattr(cv2, "setLogLevel") else cv2.utils.logging
    module.setLogLevel(0)  # silent
