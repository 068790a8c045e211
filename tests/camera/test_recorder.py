from __future__ import annotations

import builtins
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from edgeunet.camera.recorder import check_recordable, recording
from edgeunet.errors import MissingPartError, OutputError, UsageError
from edgeunet.frames import UInt8
from tests.camera.videos import SIZE, number_of, numbered, write_numbered

RED, BLUE = (20, 40, 200), (200, 60, 30)


def noise(size: tuple[int, int], count: int) -> list[UInt8]:
    """Frames that hardly compress."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for _ in range(count)]


def write_some(path: Path, size: tuple[int, int], frames: list[UInt8], error: Exception | None = None) -> None:
    with recording(path, size, 30.0, force=True) as recorder:
        for number, frame in enumerate(frames):
            recorder.write(frame, number / 30)
        if error is not None:
            raise error


def test_video_is_h264_that_browsers_play_and_starts_before_it_is_whole(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "v.mp4", 30, fps=25.0)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 25
        frames = list(container.decode(video=0))
    assert [number_of(f.to_ndarray(format="bgr24")) for f in frames] == list(range(30))
    assert [round(f.time * 25) for f in frames] == list(range(30))
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_colours_survive_and_odd_sides_lose_a_row(tmp_path: Path) -> None:
    picture = np.empty((101, 161, 3), np.uint8)
    picture[:, :80], picture[:, 80:] = RED, BLUE
    with recording(tmp_path / "v.mp4", (101, 161), 30.0, force=False) as recorder:
        recorder.write(picture, 0.0)
    with av.open(str(tmp_path / "v.mp4")) as container:
        decoded = next(container.decode(video=0)).to_ndarray(format="bgr24")
    assert decoded.shape == (100, 160, 3)
    assert np.abs(decoded[50, 20].astype(int) - RED).max() <= 4
    assert np.abs(decoded[50, 120].astype(int) - BLUE).max() <= 4


def test_frames_are_shown_at_their_own_times_and_never_back_in_time(tmp_path: Path) -> None:
    with recording(tmp_path / "v.mkv", (64, 64), 30.0, force=False) as recorder:
        for time_s in (0.0, 0.5, 0.5, 2.0):
            recorder.write(np.zeros((64, 64, 3), np.uint8), time_s)
    with av.open(str(tmp_path / "v.mkv")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == sorted(times)
    assert times == pytest.approx([0.0, 0.5, 0.5, 2.0], abs=2e-3)


def test_error_leaves_the_old_video_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(b"older")
    with pytest.raises(RuntimeError, match="from the loop"):
        write_some(path, (64, 64), noise((64, 64), 1), RuntimeError("from the loop"))
    assert [p.name for p in tmp_path.iterdir()] == ["v.mp4"]
    assert path.read_bytes() == b"older"


def test_no_frame_at_all_is_no_video(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="no frame arrived"),
        recording(tmp_path / "v.mp4", (64, 64), 30.0, force=True),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.name != "posix" or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small file system can't be mounted here (needs root on Linux)")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_is_one_error_and_leaves_nothing(small_disk: Path) -> None:
    with pytest.raises(OutputError, match=r"v\.mp4: no space left on device; free some space"):
        write_some(small_disk / "v.mp4", (240, 320), noise((240, 320), 200))
    assert list(small_disk.iterdir()) == []


def test_disk_that_fills_with_the_last_frames_is_found_too(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(240 * 1024))
    with pytest.raises(OutputError, match="no space left on device"):
        write_some(small_disk / "v.mp4", SIZE, [*map(numbered, range(60)), *noise(SIZE, 1)])
    assert [p.name for p in small_disk.iterdir()] == ["ballast"]


def test_what_cannot_be_recorded_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "v.mp4").touch()
    with pytest.raises(OutputError, match="exists already: give --force"):
        check_recordable(tmp_path / "v.mp4", force=False)
    check_recordable(tmp_path / "v.mp4", force=True)
    with pytest.raises(UsageError, match=r"a video is written as .mp4, .mov, .mkv"):
        check_recordable(tmp_path / "v.gif", force=False)

    def without_av(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "av" or name.startswith("av."):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    real_import = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without_av)
    with pytest.raises(MissingPartError, match="pip install av"):
        check_recordable(tmp_path / "new.mp4", force=False)
