from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.camera.frame import Frame
from edgeunet.camera.sources.opening import open_source
from edgeunet.camera.sources.source import Source
from edgeunet.errors import SourceError
from edgeunet.samples import CLIP
from tests.camera.videos import SIZE, number_of, write_numbered


def frames_of(source: Source) -> list[Frame]:
    with source:
        return list(iter(source.read, None))


def numbers_of(path: Path) -> list[int]:
    return [number_of(frame.pixels) for frame in frames_of(open_source(str(path)))]


def test_every_frame_of_a_file_comes_in_order(tmp_path: Path) -> None:
    source = open_source(str(write_numbered(tmp_path / "n.mp4", 40)))
    assert (source.live, source.size, source.fps, source.frame_count) == (False, SIZE, 25.0, 40)
    frames = frames_of(source)
    assert [frame.number for frame in frames] == list(range(40))
    assert [number_of(frame.pixels) for frame in frames] == list(range(40))


def test_frames_are_stamped_in_the_order_of_capture(tmp_path: Path) -> None:
    frames = frames_of(open_source(str(write_numbered(tmp_path / "n.mp4", 3))))
    stamps = [frame.captured_ns for frame in frames]
    assert stamps == sorted(stamps)
    assert all(frame.read_ns > 0 for frame in frames)


def test_other_containers_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "n.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48))
    for level in (0, 100, 200):
        writer.write(np.full((48, 64, 3), level, np.uint8))
    writer.release()
    levels = [int(frame.pixels.mean()) for frame in frames_of(open_source(str(path)))]
    assert levels == pytest.approx([0, 100, 200], abs=3)


def cut(path: Path, keep: float) -> Path:
    data = CLIP.read_bytes()
    path.write_bytes(data[: round(len(data) * keep)])
    return path


def text(path: Path) -> Path:
    path.write_text("this is not a video\n" * 20)
    return path


def empty(path: Path) -> Path:
    path.touch()
    return path


def index_at_the_end(path: Path) -> Path:
    """The clip as a camera writes it, its index last, and cut in the pictures."""
    data = CLIP.read_bytes()
    (ftyp,) = struct.unpack(">I", data[:4])
    (moov,) = struct.unpack(">I", data[ftyp : ftyp + 4])
    path.write_bytes((data[:ftyp] + data[ftyp + moov :])[:500_000])
    return path


def sound_only(path: Path) -> Path:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return path


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path, "no such video file"),
        (empty, "empty"),
        (text, "not a video"),
        (lambda path: cut(path, 0.5), r"is cut: the last 1,318,269 of its 2,636,537 bytes are missing.*ffmpeg"),
        (lambda path: cut(path, 0.9999), "is cut: the last 264 of"),
        (index_at_the_end, "before its index"),
        (sound_only, "not a video"),
        (lambda path: path.parent, "has no images"),
    ],
    ids=["missing", "empty", "text", "half", "last bytes", "no index", "sound only", "folder"],
)
def test_bad_file_is_refused_in_one_line_at_open(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], make: Callable[[Path], Path], message: str
) -> None:
    path = make(tmp_path / "bad.mp4")
    with pytest.raises(SourceError, match=message) as caught:
        open_source(str(path))
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert capfd.readouterr().err == ""  # OpenCV and FFmpeg have lines of their own


def test_damage_in_the_middle_is_an_error_at_the_end(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "damaged.mp4"
    data = CLIP.read_bytes()
    path.write_bytes(data[:1_500_000] + bytes(len(data) - 1_500_000))  # what a broken download leaves
    with pytest.raises(SourceError, match="is damaged at frame 126 of 221"):
        frames_of(open_source(str(path)))
    assert capfd.readouterr().err == ""


def test_frames_that_a_file_hides_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "trimmed.mp4"
    trim(write_numbered(tmp_path / "n.mp4", 30), path, hidden=10)
    assert numbers_of(path) == list(range(10, 30))


def trim(source: Path, path: Path, hidden: int) -> None:
    """Copy a video so that its edit list starts after the first `hidden` frames, as lossless cutting tools do."""
    import av

    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    with av.open(str(source)) as whole, av.open(str(path), "w", options=options) as container:
        pictures = whole.streams.video[0]
        stream = container.add_stream_from_template(pictures)
        for packet in whole.demux(pictures):
            if packet.pts is not None and packet.dts is not None:
                packet.pts -= hidden * 3600
                packet.dts -= hidden * 3600
                packet.stream = stream
                container.mux(packet)


def test_stream_that_refuses_is_named_without_its_password() -> None:
    # In a process of its own: how much OpenCV's FFmpeg prints is settled by the first stream of a process.
    program = """
from edgeunet.camera.sources.opening import open_source
from edgeunet.errors import SourceError
try:
    open_source("rtsp://me:secret@127.0.0.1:1/stream")
except SourceError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "cannot be opened" in said.stdout
    assert "secret" not in said.stdout
    assert said.stderr == ""
