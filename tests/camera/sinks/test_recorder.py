from __future__ import annotations

import builtins
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from edgeunet.camera.sinks.recorder import Recorder, check_recordable
from edgeunet.camera.sources.opening import open_source
from edgeunet.errors import MissingDependencyError, OutputError, UsageError
from edgeunet.imaging.letterbox import UInt8
from tests.browser import browsing
from tests.camera.shots import shot_of
from tests.camera.videos import SIZE, number_of, numbered, write_numbered
from tests.marks import slow
from tests.processes import started

VIDEO = "document.querySelector('video')"
RED, BLUE = (20, 40, 200), (200, 60, 30)


def noise(size: tuple[int, int], count: int) -> list[UInt8]:
    """Frames that hardly compress."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for _ in range(count)]


def write_some(path: Path, frames: list[UInt8], error: Exception | None = None) -> None:
    with Recorder(path, 30.0, force=True) as recorder:
        for number, frame in enumerate(frames):
            recorder.write(shot_of(frame, number / 30))
        if error is not None:
            raise error


def decoded(path: Path) -> list[UInt8]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def test_a_recording_that_was_cut_in_its_last_fragment_opens(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "v.mp4", 60, fps=25.0)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"mdat") + 20])
    with open_source(str(path)) as source:
        numbers = [number_of(frame.pixels) for frame in iter(source.read, None)]
    assert len(numbers) > 50
    assert numbers == list(range(len(numbers)))


def test_video_is_h264_that_browsers_play_and_starts_before_it_is_whole(tmp_path: Path) -> None:
    path = write_numbered(tmp_path / "v.mp4", 60, fps=25.0)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 25
        packets = [p for p in container.demux(stream) if p.pts is not None]
        assert [round(p.pts * p.time_base, 2) for p in packets if p.is_keyframe] == [0, 1, 2]
        container.seek(0)
        frames = list(container.decode(video=0))
    assert [number_of(f.to_ndarray(format="bgr24")) for f in frames] == list(range(60))
    assert [round(f.time * 25) for f in frames] == list(range(60))
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"moof") < data.index(b"mdat")


def test_opencv_reads_it_knows_its_length_and_finds_a_later_frame(tmp_path: Path) -> None:
    capture = cv2.VideoCapture(str(write_numbered(tmp_path / "v.mp4", 60, fps=25.0)))
    assert (capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)) == (60, 25)
    capture.set(cv2.CAP_PROP_POS_FRAMES, 40)
    assert number_of(np.asarray(capture.read()[1], np.uint8)) == 40
    capture.release()


def test_colours_survive_and_odd_sides_lose_a_row(tmp_path: Path) -> None:
    picture = np.empty((101, 161, 3), np.uint8)
    picture[:, :80], picture[:, 80:] = RED, BLUE
    write_some(tmp_path / "v.mp4", [picture])
    (frame,) = decoded(tmp_path / "v.mp4")
    assert frame.shape == (100, 160, 3)
    assert np.abs(frame[50, 20].astype(int) - RED).max() <= 4
    assert np.abs(frame[50, 120].astype(int) - BLUE).max() <= 4


def test_a_frame_of_another_size_is_fitted_into_the_first_with_bars(tmp_path: Path) -> None:
    red = np.full((200, 100, 3), RED, np.uint8)
    write_some(tmp_path / "v.mp4", [np.full((96, 128, 3), BLUE, np.uint8), red])
    first, second = decoded(tmp_path / "v.mp4")
    assert first.shape == second.shape == (96, 128, 3)
    assert np.abs(second[:, 44:84].astype(int) - RED).max() <= 6  # 48 of 128 columns, in the middle
    assert second[:, :36].max() <= 6
    assert second[:, 92:].max() <= 6


def test_frames_are_shown_at_their_own_times_and_never_back_in_time(tmp_path: Path) -> None:
    with Recorder(tmp_path / "v.mkv", 30.0, force=False) as recorder:
        for time_s in (0.0, 0.5, 0.5, 2.0):
            recorder.write(shot_of(np.zeros((64, 64, 3), np.uint8), time_s))
    with av.open(str(tmp_path / "v.mkv")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == sorted(times)
    assert times == pytest.approx([0.0, 0.5, 0.5, 2.0], abs=2e-3)


@pytest.mark.parametrize("fps", [0.001, 1000.0, 90_000.0, 1e308])
def test_a_rate_that_no_encoder_takes_changes_no_time(tmp_path: Path, fps: float) -> None:
    times = [0.0, 0.033, 4.9, 9.8]
    with Recorder(tmp_path / "v.mkv", fps, force=False) as recorder:
        for number, time_s in enumerate(times):
            recorder.write(shot_of(numbered(number), time_s))
    with av.open(str(tmp_path / "v.mkv")) as container:
        assert [frame.time for frame in container.decode(video=0)] == pytest.approx(times, abs=0.002)


def test_frames_larger_than_the_format_are_one_error_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with (
        pytest.raises(OutputError, match=r"70000×8 pixels are too large for H.264, at most 16384 on a side"),
        Recorder(path, 30.0, force=False) as recorder,
    ):
        recorder.write(shot_of(np.zeros((8, 70_000, 3), np.uint8)))
    assert not path.exists()


def test_what_came_before_an_error_is_kept(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="from the loop"):
        write_some(tmp_path / "v.mp4", [numbered(n) for n in range(5)], RuntimeError("from the loop"))
    assert [number_of(frame) for frame in decoded(tmp_path / "v.mp4")] == list(range(5))


def test_no_frame_at_all_is_no_video_and_the_older_one_stays(tmp_path: Path) -> None:
    (tmp_path / "v.mp4").write_bytes(b"older")
    with pytest.raises(OutputError, match="no frame arrived"):
        write_some(tmp_path / "v.mp4", [])
    with pytest.raises(RuntimeError, match="from the loop"):
        write_some(tmp_path / "v.mp4", [], RuntimeError("from the loop"))
    assert [p.name for p in tmp_path.iterdir()] == ["v.mp4"]
    assert (tmp_path / "v.mp4").read_bytes() == b"older"


RECORDING = """
import sys
from pathlib import Path
from edgeunet.camera.sinks.recorder import Recorder
from tests.camera.shots import shot_of
from tests.camera.videos import numbered
with Recorder(Path(sys.argv[1]), 30.0, force=False) as recorder:
    for number in range(10_000):
        recorder.write(shot_of(numbered(number % 256), number / 30))
        print(number, flush=True)
"""


def record_until_killed(path: Path, last: int) -> None:
    """Record in a process of its own, and kill it once this frame is written."""
    command = [sys.executable, "-c", RECORDING, str(path)]
    with started(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while int(process.stdout.readline()) < last:
            pass
        process.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("name", ["v.mp4", *slow("v.mov", "v.mkv")])
@pytest.mark.parametrize("last", [47, *slow(20, 100)])
def test_a_recording_plays_after_sigkill(tmp_path: Path, name: str, last: int) -> None:
    record_until_killed(tmp_path / name, last)
    with open_source(str(tmp_path / name)) as source:
        numbers = []
        while (frame := source.read()) is not None:
            numbers.append(number_of(frame.pixels))
    assert len(numbers) >= last - 8  # a fragment of 200 ms, and the frame that is to end it
    assert numbers == [n % 256 for n in range(len(numbers))]


@pytest.mark.slow
def test_a_browser_plays_what_was_killed_and_what_has_ended(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed.mp4", write_numbered(tmp_path / "whole.mp4", 75)
    record_until_killed(killed, 100)
    with browsing(tmp_path / "profile") as browser:
        for path in (killed, whole):
            browser.open(path.as_uri())
            browser.wait_for("document.querySelector('video')?.readyState >= 3")
            assert browser.evaluate(f"[{VIDEO}.videoHeight, {VIDEO}.videoWidth]") == list(SIZE)
            browser.evaluate(f"{VIDEO}.pause(); {VIDEO}.currentTime = 2.0")  # it can be searched, too
            browser.wait_for(f"!{VIDEO}.seeking && {VIDEO}.currentTime === 2.0 && {VIDEO}.readyState >= 2")
            assert browser.evaluate(f"{VIDEO}.error") is None


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
def test_full_disk_is_one_error_and_what_was_written_plays(small_disk: Path, name: str) -> None:
    frames = [*map(numbered, range(60)), *noise(SIZE, 100)]
    with pytest.raises(OutputError, match=r"v\.\w+: no space left on device; free .* ends there and plays up to \d s"):
        write_some(small_disk / name, frames)
    with open_source(str(small_disk / name)) as source:
        for number in range(60):
            frame = source.read()
            assert frame is not None
            assert number_of(frame.pixels) == number
        while source.read() is not None:
            pass


def test_disk_that_fills_with_the_last_frames_is_found_too(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(220 * 1024))
    with pytest.raises(OutputError, match="no space left on device"):
        write_some(small_disk / "v.mp4", [*map(numbered, range(31)), *noise(SIZE, 1)])
    numbers = [number_of(frame) for frame in decoded(small_disk / "v.mp4")]
    assert len(numbers) > 20
    assert numbers == list(range(len(numbers)))


def test_what_cannot_be_recorded_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "v.mp4").touch()
    with pytest.raises(OutputError, match="exists already: give --force"):
        check_recordable(tmp_path / "v.mp4", force=False)
    check_recordable(tmp_path / "v.mp4", force=True)
    (tmp_path / "d.mp4").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_recordable(tmp_path / "d.mp4", force=True)
    with pytest.raises(UsageError, match=r"a video is written as .mp4, .mov, .mkv"):
        check_recordable(tmp_path / "v.gif", force=False)

    def without_av(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "av" or name.startswith("av."):
            raise ModuleNotFoundError(name=name)
        return real_import(name, *args, **kwargs)

    real_import = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without_av)
    with pytest.raises(MissingDependencyError, match=r"pip install 'edgeunet\[video\]'"):
        check_recordable(tmp_path / "new.mp4", force=False)


def test_a_folder_that_cannot_be_written_is_found_before_the_start(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(OutputError, match="read-only file system"):
        check_recordable(small_disk / "v.mp4", force=False)
    assert list(small_disk.iterdir()) == []
