"""GStreamer pipelines, run in the system's Python, whose OpenCV has GStreamer where PyPI's has none."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import pytest

from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.capture.gstreamer import csi_pipeline
from edgeunet.camera.sources.opening import open_source
from edgeunet.errors import MissingDependencyError, SourceError
from tests.camera.servers import OUR_PACKAGES, SYSTEM_PYTHON, require_gstreamer_opencv

ROOT = Path(__file__).parents[4]
BGR = "videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1"
READ = """
import json, sys
from edgeunet.camera.sources.opening import open_source
from edgeunet.errors import EdgeUNetError
from edgeunet.spec import PixelFormat
frames, found = [], {}
try:
    with open_source(sys.argv[1], PixelFormat(1 if sys.argv[2] == "1" else 3, sys.argv[2] == "1")) as source:
        found = {"live": source.live, "size": source.size, "fps": source.fps}
        while len(frames) < 5:
            pixels = source.read().pixels
            found["dtype"] = str(pixels.dtype)
            frames.append(list(pixels.shape))
except EdgeUNetError as error:
    found["error"], found["kind"] = str(error), type(error).__name__
print(json.dumps({**found, "frames": frames}))
"""


def read(address: str, *, deep: bool = False) -> Any:
    """What the system's Python says of a source and its first five frames."""
    require_gstreamer_opencv()
    command = [SYSTEM_PYTHON, "-c", OUR_PACKAGES + READ, address, str(int(deep))]
    done = subprocess.run(
        command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def test_pipeline_delivers_its_frames() -> None:
    found = read(f"gst:videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=50/1 ! {BGR}")
    assert (found["live"], found["size"], found["fps"]) == (True, [240, 320], 50.0)
    assert found["frames"] == [[240, 320, 3]] * 5


@pytest.mark.slow
def test_pipeline_that_ends_is_an_error_for_a_live_source() -> None:
    found = read(f"gst:videotestsrc num-buffers=2 ! {BGR}")
    assert "stopped after 2 frames" in found["error"]


@pytest.mark.slow
@pytest.mark.parametrize(("form", "deep", "dtype"), [("GRAY8", False, "uint8"), ("GRAY16_LE", True, "uint16")])
def test_pipeline_delivers_grey_of_8_and_16_bits(form: str, deep: bool, dtype: str) -> None:
    found = read(f"gst:videotestsrc ! video/x-raw,format={form},width=320,height=240 ! appsink", deep=deep)
    assert (found["frames"], found["dtype"]) == ([[240, 320, 1]] * 5, dtype)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["NV12", "I420", "YUY2"])
def test_pipeline_of_another_format_names_what_to_add(form: str) -> None:
    found = read(f"gst:videotestsrc ! video/x-raw,format={form},width=320,height=240 ! appsink")
    assert found["frames"] == []
    assert "videoconvert ! video/x-raw,format=BGR" in found["error"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("csi://0", "GStreamer's nvarguscamerasrc is not installed, and csi://0 needs it: it comes with JetPack"),
        (f"gst:nosuchsource ! {BGR}", "GStreamer's nosuchsource is not installed"),
    ],
)
def test_element_that_is_missing_is_named(address: str, message: str) -> None:
    found = read(address)
    assert (found["kind"], found["frames"]) == ("MissingDependencyError", [])
    assert message in found["error"]


@pytest.mark.slow
def test_pipeline_that_does_not_start_is_an_error() -> None:
    found = read("gst:videotestsrc ! video/x-raw,format=BGR ! audioconvert ! appsink")
    assert (found["kind"], found["frames"]) == ("SourceError", [])
    assert "does not start: test the pipeline with gst-launch-1.0" in found["error"]


@pytest.mark.parametrize("address", ["csi://0", f"gst:videotestsrc ! {BGR}"])
def test_opencv_without_gstreamer_names_the_package(address: str) -> None:
    if cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        pytest.skip("this OpenCV has GStreamer")
    with pytest.raises(
        MissingDependencyError, match=r"OpenCV with GStreamer is not installed.*apt install python3-opencv"
    ):
        open_source(address)


def test_csi_pipeline_is_nvidias() -> None:
    assert csi_pipeline(Address.parse("csi://1?width=1920&height=1080&fps=29.97")) == (
        "nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM),width=1920,height=1080,framerate=29970/1000,"
        "format=NV12 ! nvvidconv ! video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR ! "
        "appsink drop=true max-buffers=1 sync=false"
    )


@pytest.mark.parametrize(("flip", "method"), [("180", 2), ("horizontal", 4), ("vertical", 6)])
def test_csi_picture_is_flipped_by_nvidias_converter(flip: str, method: int) -> None:
    """Numbers of nvvidconv's flip-method; the mode is one of nvarguscamerasrc's."""
    pipeline = csi_pipeline(Address.parse(f"csi://0?flip={flip}&mode=2"))
    assert pipeline.startswith("nvarguscamerasrc sensor-id=0 sensor-mode=2 ! ")
    assert f" ! nvvidconv flip-method={method} ! " in pipeline


@pytest.mark.parametrize(
    ("display", "says"), [("localhost:10.0", "`unset DISPLAY`"), (":0", "the sensor is connected")]
)
def test_csi_camera_that_does_not_start_over_ssh_names_the_screen(
    display: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda _: True)
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: SimpleNamespace(isOpened=lambda: False))
    monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(SourceError, match=says):
        open_source("csi://0")
