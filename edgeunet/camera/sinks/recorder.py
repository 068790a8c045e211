"""Recording H.264 video that plays after the program was killed, the disk was full or the camera broke off.

The file is fragmented (ISO/IEC 14496-12, section 8.8): a head, then pieces, each of which plays with all before it. It
has its own name from the first frame on, not a temporary one: however the program ends, the recording so far is where
the user asked for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType

from edgeunet.camera.frame import Shot
from edgeunet.camera.sinks.encoder import Encoder, encoded_size, load_encoder
from edgeunet.errors import OutputError, UsageError
from edgeunet.utils.files import require_writable, writing

FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
# A kill can cost 200 ms.
_FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}  # μs
_CLUSTERS = {"cluster_time_limit": "200"}  # ms; Matroska's word for the same
_BUFFER = 1 << 20  # bytes; a fragment reaches the file in one write, so that a kill does not cut it


class Recorder:
    """Records the drawn pictures as a video file. Use it in a `with`; for one thread.

    Call check_recordable() first: an existing file is replaced only with `force`. The file is made with the first
    frame: until then an older one stays. It plays at any time, and is complete once the block ends.
    """

    def __init__(self, path: Path, fps: float, *, force: bool) -> None:
        """fps only guides the encoder: the frames have their own times."""
        self._path = path
        self._fps = fps
        self._force = force
        self._file: _FragmentFile | None = None
        self._time_s = 0.0

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raises OutputError if the disk is full, or if no frame came; after an error only that one is raised."""
        with nullcontext() if value is None else suppress(OutputError):
            self._finish()

    def write(self, shot: Shot) -> None:
        """Record the drawn picture.

        Raises OutputError if the disk is full, and what was written stays and plays; also if no video can have the size
        of the first frame.
        """
        if self._file is None:
            encoded_size((shot.overlay.shape[0], shot.overlay.shape[1]))
            with writing(self._path):
                self._path.absolute().parent.mkdir(parents=True, exist_ok=True)
                self._file = _FragmentFile(self._path, force=self._force)
            options = {**(_CLUSTERS if self._path.suffix.lower() == ".mkv" else _FRAGMENTS), "flush_packets": "1"}
            self._container = load_encoder().open(
                self._file, "w", format=FORMATS[self._path.suffix.lower()], options=options, buffer_size=_BUFFER
            )
            self._encoder = Encoder(self._container, self._fps)
        with self._keeping(self._file):
            self._encoder.write(shot.overlay, shot.time_s)
        self._file.keep()
        self._time_s = shot.time_s

    def _finish(self) -> None:
        """Write the last fragment and close the file."""
        if self._file is None:
            raise OutputError(f"{self._path} is not written: no frame arrived; check the source first")
        if self._file.cut:
            return
        with self._keeping(self._file):
            self._encoder.finish()
            self._container.close()
        self._file.close()

    @contextmanager
    def _keeping(self, file: _FragmentFile) -> Iterator[None]:
        """After a failed write: cut the file back to its last whole fragment, so that it plays, and report that."""
        try:
            with writing(self._path):
                yield
        except OutputError as error:
            file.cut_back()
            with suppress(load_encoder().error.FFmpegError):  # it raises the first error again
                self._container.close()
            raise OutputError(f"{error}; the recording ends there and plays up to {self._time_s:.0f} s") from error


class _FragmentFile:
    """The file that FFmpeg writes, without a buffer; it can be cut back to the last keep()."""

    def __init__(self, path: Path, *, force: bool) -> None:
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
        self._descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)
        self._kept = 0
        self.cut = False

    def write(self, data: bytes) -> int:
        if not self.cut:  # FFmpeg's own attempts to end a file that is cut
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        return 0 if self.cut else os.lseek(self._descriptor, offset, whence)

    def tell(self) -> int:
        return self.seek(0, os.SEEK_CUR)

    def keep(self) -> None:
        self._kept = self.tell()

    def cut_back(self) -> None:
        with suppress(OSError):  # the disk may be gone altogether
            os.ftruncate(self._descriptor, self._kept)
        self.close()
        self.cut = True

    def close(self) -> None:
        os.close(self._descriptor)


def check_recordable(path: Path, *, force: bool) -> None:
    """Raise UsageError for another ending, MissingDependencyError without PyAV, OutputError if it cannot be written."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: a video is written as {', '.join(FORMATS)}; give it one of these endings")
    load_encoder()
    require_writable(path, force=force)
