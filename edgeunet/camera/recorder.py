"""Writing H.264 video that browsers and players open. PyAV does it: PyPI's OpenCV has no H.264 encoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from edgeunet.errors import MissingPartError, OutputError, UsageError
from edgeunet.files import replacing, require_free
from edgeunet.frames import UInt8
from edgeunet.parts import missing

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

ENDINGS = (".mp4", ".mov", ".mkv")
TICKS = 90_000  # time base of MPEG; a whole number of ticks at 24, 25, 29.97, 30, 50 and 60 frames a second
# Measured at 960×540 on one EPYC core, in ms a frame and KB a second of clip: ultrafast 3.6 and 276, superfast 6.4
# and 203, veryfast 10.4 and 118. Inference needs the core more than the disk needs the space, and a second
# encoder thread would take it too.
ENCODER = {"preset": "ultrafast", "crf": "23"}


class Recorder:
    """An open video file. For one thread; recording() makes it."""

    def __init__(self, path: Path, container: OutputContainer, stream: VideoStream) -> None:
        self._av = _av()
        self._path = path
        self._container = container
        self._stream = stream
        self._last_tick = -1

    def write(self, pixels: UInt8, time_s: float) -> None:
        """Encode uint8 [h, w, 3] BGR, to be shown `time_s` seconds after the start; times grow."""
        height, width = self._stream.height, self._stream.width
        planes = cv2.cvtColor(pixels[:height, :width], cv2.COLOR_BGR2YUV_I420)  # uint8 [h·3/2, w]
        frame = self._av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.time_base = Fraction(1, TICKS)
        frame.pts = self._last_tick = max(round(time_s * TICKS), self._last_tick + 1)
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds. Raises OutputError if there was no frame at all."""
        if self._last_tick < 0:
            raise OutputError(f"{self._path} is not written: no frame arrived; look at the source first")
        self._container.mux(self._stream.encode(None))


def check_recordable(path: str | Path, *, force: bool) -> None:
    """Raise before any work what recording() would: UsageError for the ending, MissingPartError, OutputError."""
    if Path(path).suffix.lower() not in ENDINGS:
        raise UsageError(f"{path}: a video is written as {', '.join(ENDINGS)}; give it one of these endings")
    _av()
    require_free(path, force=force)


@contextmanager
def recording(path: str | Path, frame_size: tuple[int, int], fps: float, *, force: bool) -> Iterator[Recorder]:
    """A Recorder for frames of `frame_size` (height, width); the file has its name once the block ends.

    An odd last row or column is left out: 4:2:0 video has even sides. fps only guides the encoder,
    the frames carry their own times. After an exception in the block nothing is left behind. Raises
    OutputError if `path` exists without `force` or cannot be written (a full disk), UsageError for another ending
    than .mp4, .mov or .mkv.
    """
    path = Path(path)
    check_recordable(path, force=force)
    height, width = frame_size[0] // 2 * 2, frame_size[1] // 2 * 2
    if not height or not width:
        raise OutputError(f"{path}: frames of {frame_size[1]}×{frame_size[0]} pixels are too small for a video")
    av = _av()
    # The index goes to the front, so that a browser starts before it has the whole file.
    options = {} if path.suffix.lower() == ".mkv" else {"movflags": "faststart"}
    with replacing(path, force=force) as temporary, av.open(str(temporary), "w", options=options) as container:
        recorder = Recorder(path, container, _stream(av, container, (height, width), fps))
        yield recorder
        recorder.finish()


def _stream(av: Any, container: OutputContainer, size: tuple[int, int], fps: float) -> VideoStream:
    try:
        stream: VideoStream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
    except av.error.FFmpegError as error:
        raise MissingPartError("the encoder libx264", "recording video", "pip install --force-reinstall av") from error
    stream.options = dict(ENCODER)
    stream.height, stream.width = size
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
    stream.codec_context.thread_count = 1
    # What cv2.cvtColor writes; unsaid, players guess by the size of the picture, and the colours shift.
    stream.codec_context.colorspace = av.video.reformatter.Colorspace.ITU601
    stream.codec_context.color_range = av.video.reformatter.ColorRange.MPEG
    return stream


def _av() -> Any:
    try:
        import av
        import av.video.reformatter
    except ImportError as error:
        raise missing("av") from error
    return av
