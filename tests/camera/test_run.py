from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeunet.camera import CameraOptions, run_camera
from edgeunet.camera.sources import open_source
from edgeunet.errors import EdgeUNetError, MissingPartError, OutputError, SourceError, UsageError
from edgeunet.runtime import open_session
from edgeunet.samples import CLIP
from tests.camera.videos import FakeCamera, number_of, numbered, write_numbered
from tests.models import write_toy_model

# A fake camera that never ends: where a real one can't be had.
ENDLESS = """
import sys, time
from pathlib import Path
from edgeunet.camera import CameraOptions, run, run_camera
from edgeunet.runtime import open_session
from tests.camera.videos import FakeCamera, numbered

class Endless(FakeCamera):
    def _grab(self):
        time.sleep(0.005)
        self._pixels = numbered(self._number % 256)
        if self._number == 40:
            sys.stdout.write("running\\n")
            sys.stdout.flush()
        return True

run.open_source = lambda address: Endless()
with open_session(sys.argv[1]) as session:
    stats = run_camera(session, CameraOptions("endless", record=Path(sys.argv[2])))
sys.stdout.write(str(stats.published))
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_toy_model(tmp_path / "toy.onnx")


def test_clip_becomes_a_video_of_as_many_frames(tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    video = tmp_path / "out.mp4"
    with open_session(model) as session:
        stats = run_camera(session, CameraOptions(str(CLIP), record=video))
    assert (stats.published, stats.dropped) == (221, 0)
    with open_source(str(video)) as source:
        assert (source.frame_count, source.size, source.fps) == (221, (540, 960), 25.0)
        drawn = source.read()
    with open_source(str(CLIP)) as source:
        plain = source.read()
    assert drawn is not None
    assert plain is not None
    assert np.abs(drawn.pixels.astype(int) - plain.pixels).mean() > 20  # the overlay; the encoder alone gives 3
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "221 of 221 frames" in captured.err


def test_ctrl_c_ends_cleanly_with_a_playable_video(tmp_path: Path, model: Path) -> None:
    video = tmp_path / "out.mp4"
    command = [sys.executable, "-c", ENDLESS, str(model), str(video)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGINT)
        published, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    with open_source(str(video)) as source:
        assert source.frame_count == int(published) > 0
        numbers = []
        while (frame := source.read()) is not None:
            numbers.append(number_of(frame.pixels))
    assert len(numbers) == int(published)
    assert [p.name for p in tmp_path.iterdir() if "out" in p.name] == ["out.mp4"]


def test_max_frames_cuts_the_video(tmp_path: Path, model: Path) -> None:
    source = write_numbered(tmp_path / "n.mp4", 20)
    with open_session(model) as session:
        run_camera(session, CameraOptions(str(source), record=tmp_path / "out.mp4", max_frames=6))
    with open_source(str(tmp_path / "out.mp4")) as video:
        assert video.frame_count == 6


def test_damaged_source_leaves_no_video(tmp_path: Path, model: Path) -> None:
    damaged = tmp_path / "damaged.mp4"
    data = CLIP.read_bytes()
    damaged.write_bytes(data[:300_000] + bytes(len(data) - 300_000))
    with open_session(model) as session, pytest.raises(SourceError, match="cannot be decoded"):
        run_camera(session, CameraOptions(str(damaged), record=tmp_path / "out.mp4"))
    assert not list(tmp_path.glob("*out*"))


def test_existing_video_is_found_before_the_source_is_opened(tmp_path: Path, model: Path) -> None:
    video = tmp_path / "out.mp4"
    video.write_bytes(b"older")
    with open_session(model) as session, pytest.raises(OutputError, match="--force"):
        run_camera(session, CameraOptions(str(tmp_path / "missing.mp4"), record=video))
    assert video.read_bytes() == b"older"


def test_show_without_a_screen_says_so(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with open_session(model) as session, pytest.raises(EdgeUNetError, match="--record") as caught:
        run_camera(session, CameraOptions(str(CLIP), show=True))
    assert isinstance(caught.value, (MissingPartError, OutputError))


@pytest.mark.parametrize(
    ("options", "message"), [({"max_frames": 0}, "at least 1, got 0"), ({"opacity": -0.1}, "0 to 1, got -0.1")]
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CameraOptions("0", **options)


def test_camera_never_imports_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import edgeunet.camera.run; assert 'av' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_camera_without_an_end_reports_its_frames(
    model: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    camera = FakeCamera()
    monkeypatch.setattr("edgeunet.camera.run.open_source", lambda address: camera)
    camera._shown.put(numbered(0))
    camera._shown.put(None)
    with open_session(model) as session:
        stats = run_camera(session, CameraOptions("fake"))
    assert stats.published == 1
    assert "1 frames" in capfd.readouterr().err
