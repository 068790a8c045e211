"""GStreamer pipelines through OpenCV: any that ends in appsink, and the CSI cameras of a Jetson."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import cv2

from edgeunet.camera.sources.address import Address
from edgeunet.camera.sources.capture.opencv import CaptureSource, silence
from edgeunet.errors import MissingDependencyError, SourceError

INSTALL = (
    "on a Jetson: jetson/setup.sh; elsewhere: apt install python3-opencv and a venv with --system-site-packages "
    "(PyPI's opencv-python has no GStreamer: pip uninstall it there)"
)
_FLIP_METHODS = {"180": 2, "horizontal": 4, "vertical": 6}  # of nvvidconv


def open_gst(address: Address) -> CaptureSource:
    """Open a pipeline or a CSI sensor.

    Raises MissingDependencyError if this OpenCV has no GStreamer, or GStreamer lacks an element; SourceError if the
    pipeline does not start.
    """
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        raise MissingDependencyError("OpenCV with GStreamer", address.name, INSTALL)
    pipeline = csi_pipeline(address) if address.kind == "csi" else address.target
    _require_elements(pipeline, address)
    silence()
    capture = cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER)
    if not capture.isOpened():
        raise SourceError(f"{address.name} does not start: {_remedy(address)}")
    return CaptureSource(capture, address.name)


def _remedy(address: Address) -> str:
    if address.kind != "csi":
        return "test the pipeline with gst-launch-1.0, with fakesink instead of appsink"
    if os.environ.get("DISPLAY", ":").partition(":")[0]:  # localhost:10.0, as ssh -X sets it
        return "DISPLAY names the screen of another machine, which NVIDIA's camera stack cannot use: `unset DISPLAY`"
    return "check that the sensor is connected, then try `sudo systemctl restart nvargus-daemon`"


def csi_pipeline(address: Address) -> str:
    """NVIDIA's camera stack (nvarguscamerasrc) to BGR; only the newest frame is kept."""
    mode = "" if address.mode is None else f" sensor-mode={address.mode}"
    flip = "" if address.flip is None else f" flip-method={_FLIP_METHODS[address.flip]}"
    return (
        f"nvarguscamerasrc sensor-id={address.target}{mode} ! video/x-raw(memory:NVMM),width={address.width},"
        f"height={address.height},framerate={_fraction(address.fps or 30.0)},format=NV12 ! nvvidconv{flip} ! "
        "video/x-raw,format=BGRx ! videoconvert ! video/x-raw,format=BGR ! "
        "appsink drop=true max-buffers=1 sync=false"
    )


def _require_elements(pipeline: str, address: Address) -> None:
    """Ask gst-inspect-1.0, if it is installed: OpenCV would wait forever for a missing element."""
    inspect = shutil.which("gst-inspect-1.0")
    names = (part.split()[0] for part in pipeline.split("!") if part.strip())
    for name in filter(re.compile(r"[a-z]\w*").fullmatch, names):
        if inspect and subprocess.run([inspect, "--exists", name], capture_output=True, check=False).returncode:
            install = (
                "it comes with JetPack; CSI cameras work on a Jetson only"
                if address.kind == "csi"
                else "apt install the gstreamer1.0 package that has it (plugins-base, -good, -bad, -ugly, libav)"
            )
            raise MissingDependencyError(f"GStreamer's {name}", address.name, install)


def _fraction(fps: float) -> str:
    """GStreamer's rates are fractions: 30 → 30/1, 29.97 → 29970/1000."""
    return f"{int(fps)}/1" if fps == int(fps) else f"{round(fps * 1000)}/1000"
