"""Video files, local ones and finite ones behind http://, read by PyAV: each frame with its own time.

Pixels are the same as OpenCV's: swscale's bicubic BGR, rotated as the file says; pixels that are not square stay so. A
file that is cut is an error, see completeness.py.
"""

from __future__ import annotations

import errno
import heapq
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeunet.board.machine import usable_cpus
from edgeunet.camera.sources.source import Source
from edgeunet.camera.sources.video.completeness import Completeness
from edgeunet.camera.sources.video.mp4_fragments import whole_fragments
from edgeunet.camera.sources.video.rotation import Rotation
from edgeunet.errors import SourceError, system_reason
from edgeunet.imaging.image_header import HEAD, MOST_PIXELS_STREAMED
from edgeunet.imaging.pixels import Pixels
from edgeunet.spec import BGR, PixelFormat
from edgeunet.utils.dependencies import needed

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

LIMITS = {
    "max_pixels": str(MOST_PIXELS_STREAMED)
}  # of a frame, twice 8K: if a header claims more, nothing is allocated
MOST_THREADS = 8  # each one more holds a frame and adds little
LARGE = 1 << 24  # pixels; the threads share a larger frame
FASTEST = 1000.0  # fps; a container that says more means the ticks of its clock
AGAIN_S = 1.0  # a larger step back: the clock has restarted, two recordings are in one file
_GREY_16 = ("gray16le", "gray16be")
_MP4 = (b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")


class VideoFile(Source):
    """The frames of a video's first picture track, in the order in which they are shown.

    The size is that of the first frame; later frames of another size are scaled to it. Frames at the start that cannot
    be decoded, because the frames they need were cut off, are left out; later damage is an error, except in broadcast
    formats (MPEG-TS), where damaged pictures count as corrupt.
    """

    live = False

    def __init__(self, container: InputContainer, name: str, head: bytes = b"", pixels: PixelFormat = BGR) -> None:
        """Decodes the first frame. head: the first bytes of the file, if they are at hand. pixels: that are wanted.

        Raises SourceError if there is no picture, if the file is cut, or if 16 bits are wanted and it has others.
        """
        super().__init__()
        self.name = name
        self._container = container
        self._stream = _picture_track(container, name)
        context = self._stream.codec_context
        if context is None:
            raise _undecodable(name, "an unknown codec")
        if context.width * context.height > MOST_PIXELS_STREAMED:
            raise SourceError(
                f"{name} claims {context.width}×{context.height} pixels, at most {MOST_PIXELS_STREAMED:,} are read: "
                "scale it down first"
            )
        context.thread_type = "AUTO" if context.width * context.height <= LARGE else "SLICE"
        context.thread_count = min(len(usable_cpus()), MOST_THREADS)
        context.options = LIMITS
        self._completeness = Completeness(container, self._stream, head)
        self._completeness.require_index_inside(name)
        self._scaler = load_av().video.reformatter.VideoReformatter()
        self._packets = container.demux()
        self._ended = False
        self._time_base = self._stream.time_base or Fraction(1, 1000)
        self._stored: list[int] = []  # times of frames to come, where the frames themselves have none
        self._ready: Iterator[VideoFrame] = iter(())
        self._frame = self._next()
        if self._frame is None:
            if self._completeness.broken:
                self._completeness.require_complete(name, 0, None)
            raise _undecodable(name, context.name)
        if pixels.deep and self._frame.format.name not in _GREY_16:
            raise SourceError(
                f"{name} has pixels of {self._frame.format.name}, and the model takes {pixels}: of videos these are "
                "grey of 16 bits (gray16le), such as FFV1 in .mkv"
            )
        self._format = "gray16le" if pixels.deep else "bgr24"
        self._waiting = True
        self._width, self._height = self._frame.width, self._frame.height
        self._turn = Rotation.of(self._frame)
        self.size = (self._width, self._height) if self._turn.sideways else (self._height, self._width)
        self.fps = _rate(self._stream)
        self.frame_count = self._completeness.frames
        self._at_s = 0.0
        self._shift_s = self._clock(self._frame) or 0.0

    def _grab(self) -> bool:
        if self._waiting:
            self._waiting = False
            return True
        self._frame = self._next()
        self._completeness.require_complete(self.name, self._number, self._frame)
        if self._frame is None:
            return False
        self._at_s = self._time_of(self._frame)
        return True

    def _time_s(self) -> float:
        return self._at_s

    def _retrieve(self) -> Pixels:
        assert self._frame is not None  # noqa: S101 - _grab() saw it
        pixels = self._scaler.reformat(
            self._frame, self._width, self._height, self._format, interpolation="BICUBIC", threads=1
        ).to_ndarray()
        self._frame = None
        return self._turn.upright(pixels if pixels.ndim == 3 else pixels[..., None])

    def close(self) -> None:
        self._container.close()

    def _next(self) -> VideoFrame | None:
        """The decoder's next frame; None at the end, complete or not."""
        while True:
            frame = next(self._ready, None)
            if frame is not None:
                return self._completeness.shown(frame)
            packet = self._next_packet()
            if packet is None and self._ended:
                return None
            if packet is None:  # the decoder returns what it still holds
                self._ended = True
            elif not self._completeness.take(packet):
                continue
            elif packet.pts is not None and not self._completeness.has_times:
                heapq.heappush(self._stored, packet.pts)
            try:
                self._ready = iter(self._stream.codec_context.decode(packet))
            except load_av().error.EOFError:  # it holds nothing more
                continue
            except load_av().error.FFmpegError:
                self._completeness.failed()
                if self._completeness.broadcast:
                    self.corrupt += 1

    def _next_packet(self) -> Any:
        try:
            return None if self._ended else next(self._packets, None)
        except OSError as error:  # a connection that ended, a disk that fails; not FFmpeg's errors of data
            # FFmpeg raises it too where a body without a length ends; the file itself then says what is missing.
            if error.errno != errno.EIO or self._completeness.sized:
                self._completeness.broken = system_reason(error)
        except load_av().error.FFmpegError:
            self._completeness.failed()
        return None

    def _time_of(self, frame: VideoFrame) -> float:
        """By the container's clock, from the first frame on.

        A frame whose time is not after the last one's follows at the usual rate; where the clock restarts, time
        continues.
        """
        step_s = 1 / (self.fps or 30.0)
        clock_s = self._clock(frame)
        at_s = 0.0 if clock_s is None else clock_s - self._shift_s
        if clock_s is not None and at_s < self._at_s - AGAIN_S:
            self._shift_s -= self._at_s + step_s - at_s
        return at_s if at_s > self._at_s else self._at_s + step_s

    def _clock(self, frame: VideoFrame) -> float | None:
        """Seconds by the container's clock; None where it has no time for this frame."""
        pts = heapq.heappop(self._stored) if self._stored else frame.pts
        return None if pts is None else float(pts * self._time_base)


def open_video(path: Path, name: str, pixels: PixelFormat = BGR) -> VideoFile:
    """Open a video file. pixels: that are wanted of its frames.

    Raises SourceError if it is missing, empty, cut or not a video, MissingDependencyError without PyAV.
    """
    if not path.is_file():
        raise SourceError(f"{name} is not a video file: give one file, a folder of images, or a camera such as 0")
    size = path.stat().st_size
    if size == 0:
        raise SourceError(f"{name} is empty (0 bytes): copy or record it again")
    av = load_av()
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {system_reason(error)}") from error
    try:
        head = os.pread(descriptor, HEAD, 0)
        url = _openable(path, descriptor)
        try:
            container = av.open(url, **_how(av))
        except av.error.FFmpegError:
            end = whole_fragments(descriptor, size) if head[4:8] in _MP4 else size
            if not 0 < end < size:
                raise
            container = av.open(f"subfile,,start,0,end,{end},,:{url}", **_how(av))
    except av.error.FFmpegError as error:
        if head.startswith(b"v=0"):
            raise SourceError(
                f"{name} describes a stream (SDP): give the camera's own address, such as rtsp://…"
            ) from error
        if head[4:8] in _MP4:
            raise SourceError(
                f"{name} is cut: it ends before its index (no moov box), copy or record it again"
            ) from error
        raise SourceError(
            f"{name} is not a video that FFmpeg can open, or its beginning is cut: "
            "expected a file such as .mp4, .mkv, .avi"
        ) from error
    finally:
        os.close(descriptor)
    return _source(container, name, head, pixels)


def open_url(url: str, name: str, timeout_s: float, *, ranges: bool) -> VideoFile:
    """Open a finite video behind http://. Raises SourceError.

    timeout_s: how long to wait for the next bytes. ranges: whether the server sends parts of a file.
    """
    av = load_av()
    hint = (
        ""
        if ranges
        else "; its server does not send parts of a file (ranges), as an MP4 with its index at the end needs: "
        "download it first, or move the index with `ffmpeg -i FILE -c copy -movflags +faststart`"
    )
    patience = {"rw_timeout": str(round(1e6 * timeout_s))}  # without a byte; `timeout` would be for the whole request
    try:
        return _source(av.open(url, container_options=patience, **_how(av)), name)
    except OSError as error:
        raise SourceError(
            f"{name} broke off before its first picture ({system_reason(error)}): try again{hint}"
        ) from error
    except av.error.FFmpegError as error:
        remedy = hint or ": it is not one, or the connection broke off; expected a video file, MJPEG, or a picture"
        raise SourceError(f"{name} cannot be opened as a video{remedy}") from error
    except SourceError as error:
        raise SourceError(f"{error}{hint}") from error


def _source(container: InputContainer, name: str, head: bytes = b"", pixels: PixelFormat = BGR) -> VideoFile:
    # glibc maps and unmaps each frame of a megabyte by itself, at 0.4 ms per frame, until something larger was freed.
    bytearray(31 << 20)
    try:
        return VideoFile(container, name, head, pixels)
    except BaseException:
        container.close()
        raise


def load_av() -> Any:
    """The module PyAV; raises MissingDependencyError if it is not installed."""
    with needed("av"):
        import av
        import av.video.frame
        import av.video.reformatter
    return av


def _how(av: Any) -> dict[str, Any]:
    """Options to open any container: odd bytes in a title, or a header's claims, do no harm."""
    major = int(av.__version__.partition(".")[0])
    # Before 18, options write past the end of an array if tracks turn up late, as in FLV and MPEG-TS.
    limits = {"options": LIMITS} if major >= 18 else {}
    return limits if major >= 19 else {**limits, "metadata_errors": "replace"}  # the default of 19


def _openable(path: Path, descriptor: int) -> str:
    """A name that FFmpeg takes for this file, and not for a scheme if it has a colon."""
    try:
        name = str(path.resolve())
        name.encode()
    except UnicodeEncodeError:
        return f"file:/dev/fd/{descriptor}"
    return f"file:{name}"


def _undecodable(name: str, codec: str) -> SourceError:
    return SourceError(
        f"{name} has no picture that can be decoded ({codec}): it is cut or damaged, or of a kind that FFmpeg does not "
        "know; copy it again, or convert it to H.264"
    )


def _picture_track(container: InputContainer, name: str) -> VideoStream:
    """The first track of pictures that is not a cover."""
    tracks = container.streams.video
    if not tracks:
        raise SourceError(f"{name} is not a video: it has no pictures; expected a video file such as .mp4, .mkv, .avi")
    cover = load_av().stream.Disposition.attached_pic
    return next((track for track in tracks if not track.disposition & cover), tracks[0])


def _rate(stream: VideoStream) -> float:
    """The average fps, 0.0 if the container does not say."""
    rate = float(stream.average_rate or 0)
    return rate if 0 < rate < FASTEST else 0.0
