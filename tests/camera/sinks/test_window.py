from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeunet.camera import CameraOptions, SinkOptions, run_camera
from edgeunet.camera.sinks.window import Window
from edgeunet.errors import MissingDependencyError, OutputError
from edgeunet.imaging.letterbox import UInt8
from tests.camera.shots import shot_of
from tests.models import write_toy_model


class FakeDesktop:
    """Replaces OpenCV's window functions: a test machine has no screen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[int] = []
        self.key = -1
        self.visible = 1.0
        monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           QT5\n")
        monkeypatch.setenv("DISPLAY", ":0")
        monkeypatch.setattr(cv2, "imshow", self._show)
        monkeypatch.setattr(cv2, "waitKey", lambda delay: self.key)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda title, which: self.visible)
        monkeypatch.setattr(cv2, "destroyWindow", lambda title: self.shown.append(-1))

    def _show(self, title: str, pixels: UInt8) -> None:
        self.shown.append(int(pixels[0, 0, 0]))


def picture(level: int) -> UInt8:
    return np.full((4, 4, 3), level, np.uint8)


def test_newest_frame_is_shown_until_the_user_closes_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    desktop = FakeDesktop(monkeypatch)
    window = Window()
    assert window.refresh(0)  # nothing to show yet
    for level in (1, 2, 3):
        window.write(shot_of(picture(level)))
    assert window.refresh(0)
    assert desktop.shown == [3]
    desktop.visible = 0.0
    assert not window.refresh(0)
    window.close()
    assert desktop.shown == [3, -1]


def test_each_source_has_a_window_and_closing_any_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    desktop = FakeDesktop(monkeypatch)
    window = Window()
    for level, source in ((1, "left"), (2, "right"), (3, "left")):
        window.write(shot_of(picture(level), source=source))
    assert window.refresh(0)
    assert sorted(desktop.shown) == [2, 3]
    monkeypatch.setattr(cv2, "getWindowProperty", lambda title, which: float("right" not in title))
    assert not window.refresh(0)
    window.close()
    assert sorted(desktop.shown) == [-1, -1, 2, 3]


@pytest.mark.parametrize("key", [27, ord("q")])
def test_escape_and_q_end_it(monkeypatch: pytest.MonkeyPatch, key: int) -> None:
    desktop = FakeDesktop(monkeypatch)
    window = Window()
    window.write(shot_of(picture(1)))
    desktop.key = key
    assert not window.refresh(0)


def test_opencv_without_windows_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                           NONE\n")
    with pytest.raises(MissingDependencyError, match=r"pip install .*opencv-python"):
        Window()


def test_no_screen_is_an_error_before_qt_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeDesktop(monkeypatch)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(OutputError, match="no screen"):
        Window()


def test_loop_shows_drawn_frames_and_ends_with_the_window(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    desktop = FakeDesktop(monkeypatch)
    desktop.key = ord("q")
    source = "synthetic://?width=320&height=240"
    options = CameraOptions(write_toy_model(tmp_path / "toy.onnx"), (source,), SinkOptions(show=True))
    assert run_camera(options)["synthetic://"].published >= 1
    assert len(desktop.shown) == 2
    assert desktop.shown[-1] == -1  # closed
