"""Videos of other containers than MP4, whole and cut; MP4 is in test_sources.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeunet.camera.container import require_whole
from edgeunet.camera.sources import open_source
from edgeunet.errors import SourceError

KINDS = {"mkv": ("matroska", "libx264"), "webm": ("webm", "libvpx"), "avi": ("avi", "mpeg4")}


def write(path: Path, frames: int = 10, options: dict[str, str] | None = None) -> bytes:
    import av

    container_format, codec = KINDS[path.suffix[1:]]
    picture = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    with av.open(str(path), "w", format=container_format, container_options=options or {}) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, number, axis=1), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_whole_video_passes_and_a_cut_one_is_refused(tmp_path: Path, kind: str) -> None:
    whole = tmp_path / f"whole.{kind}"
    data = write(whole)
    with open_source(str(whole)) as source:
        assert len(list(iter(source.read, None))) == 10
    cut = tmp_path / f"cut.{kind}"
    for missing in (1, len(data) // 2):
        cut.write_bytes(data[:-missing])
        message = rf"is cut: the last {missing:,} of its {len(data):,} bytes are missing; .*-c copy saved\.{kind}`"
        with pytest.raises(SourceError, match=message):
            open_source(str(cut))


def test_live_recording_that_never_knew_its_length_passes(tmp_path: Path) -> None:
    path = tmp_path / "live.mkv"
    data = write(path, options={"live": "1"})
    require_whole(path)
    path.write_bytes(data[: len(data) // 2])
    require_whole(path)


def test_avi_of_several_pieces_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "long.avi"
    data = write(path) + b"RIFF" + (104).to_bytes(4, "little") + b"AVIX" + bytes(100)
    path.write_bytes(data)
    require_whole(path)
    path.write_bytes(data[:-3])
    with pytest.raises(SourceError, match=f"the last 3 of its {len(data):,} bytes"):
        require_whole(path)


def test_avi_that_was_never_closed_passes(tmp_path: Path) -> None:
    path = tmp_path / "open.avi"
    data = write(path)
    path.write_bytes(data[:4] + bytes(4) + data[8:])
    require_whole(path)


@pytest.mark.parametrize("data", [b"", b"\x1a\x45\xdf\xa3", b"\x1a\x45\xdf\xa3\x80noise", b"RIFF1234WAVE", b"noise"])
def test_what_is_no_video_is_left_to_opencv(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "other.bin"
    path.write_bytes(data)
    require_whole(path)
