"""Frames to H.264 in a container: a file or an RTP stream. With PyAV: PyPI's OpenCV has no H.264 encoder."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edgeunet.camera.sources.video.video_file import load_av
from edgeunet.errors import MissingDependencyError, OutputError
from edgeunet.imaging.letterbox import UInt8

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

TICKS = 90_000  # time base of MPEG; a whole number of ticks at 24, 25, 29.97, 30, 50 and 60 fps
KEY_EVERY = TICKS  # once per second a player can start, or jump to
# Measured at 960×540 on one EPYC core, in ms per frame and KB per second of clip: ultrafast 3.6 and 276, superfast
# 6.4 and 203, veryfast 10.4 and 118. Inference needs the core more than the disk needs the space, and a second
# encoder thread would take it too. zerolatency: every frame leaves the encoder before the next one comes.
LARGEST = 16_384  # pixels of a side: what libx264 takes
RATES = (1, 240)  # fps that guide the encoder: what a container says may be anything
ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23"}


class Encoder:
    """Encodes into one container. The first frame sets the size; frames of another size are letterboxed.

    An odd last row or column is left out: 4:2:0 video has even sides. For one thread.
    """

    def __init__(self, container: OutputContainer, fps: float, options: Mapping[str, str] | None = None) -> None:
        """fps only guides the encoder, frames carry their own times. options: of libx264, in addition to ENCODER."""
        self._av = load_encoder()
        self._container = container
        self._fps = Fraction(min(max(fps, RATES[0]), RATES[1])).limit_denominator(1001)
        self._options = {**ENCODER, **(options or {})}
        self._stream: VideoStream | None = None
        self._size = (0, 0)  # (height, width) of the first frame, before it lost an odd side
        self._last = -1
        self._key = -KEY_EVERY

    def write(self, pixels: UInt8, time_s: float) -> None:
        """Encode uint8 [h, w, 3] BGR, to be shown `time_s` seconds after the start; times grow.

        Raises OutputError if the first frame is too small or too large for the format, OSError if the container cannot
        be written.
        """
        if self._stream is None:
            self._size = (pixels.shape[0], pixels.shape[1])
            self._stream = self._open()
        stream = self._stream
        if pixels.shape[:2] != self._size:
            pixels = letterboxed(pixels, self._size)
        planes = cv2.cvtColor(pixels[: stream.height, : stream.width], cv2.COLOR_BGR2YUV_I420)  # uint8 [h·3/2, w]
        frame = self._av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.time_base = Fraction(1, TICKS)
        frame.pts = self._last = max(round(time_s * TICKS), self._last + 1)
        if self._last - self._key >= KEY_EVERY:
            frame.pict_type = self._av.video.frame.PictureType.I
            self._key = self._last
        self._container.mux(stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))

    def _open(self) -> VideoStream:
        height, width = encoded_size(self._size)
        stream: VideoStream = self._container.add_stream("libx264", rate=self._fps, options=self._options)
        stream.height, stream.width = height, width
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
        stream.codec_context.thread_count = 1
        # What cv2.cvtColor writes; without it players guess by the size of the picture, and the colours shift.
        stream.codec_context.colorspace = self._av.video.reformatter.Colorspace.ITU601
        stream.codec_context.color_range = self._av.video.reformatter.ColorRange.MPEG
        return stream


def encoded_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a video of frames of this size. Raises OutputError if the format cannot hold them."""
    height, width = size[0] // 2 * 2, size[1] // 2 * 2
    if not height or not width:
        raise OutputError(f"frames of {size[1]}×{size[0]} pixels are too small for a video")
    if max(height, width) > LARGEST:
        raise OutputError(
            f"frames of {size[1]}×{size[0]} pixels are too large for H.264, at most {LARGEST} on a side: "
            "use --save-masks or --jsonl"
        )
    return height, width


def letterboxed(pixels: UInt8, size: tuple[int, int]) -> UInt8:
    """uint8 [h, w, 3] → uint8 [*size, 3]: the whole picture as large as it fits, in its middle, black around it."""
    scale = min(size[0] / pixels.shape[0], size[1] / pixels.shape[1])
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    out = np.zeros((*size, 3), np.uint8)
    cv2.resize(pixels, (width, height), dst=out[top : top + height, left : left + width], interpolation=cv2.INTER_AREA)
    return out


def load_encoder() -> Any:
    """The module PyAV; raises MissingDependencyError if it is not installed or has no H.264 encoder."""
    av = load_av()
    if "libx264" not in av.codecs_available:
        raise MissingDependencyError("the encoder libx264", "writing H.264 video", "pip install --force-reinstall av")
    return av
