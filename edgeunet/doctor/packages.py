"""OpenCV and the other Python packages that a command may need."""

from __future__ import annotations

import importlib

from edgeunet.doctor.host import Host
from edgeunet.utils.dependencies import PARTS
from edgeunet.utils.diagnosis import Finding

OFF_BOARD = ("openvino", "torch", "matplotlib", "jinja2", "polygraphy")
"""What a Jetson does not need: there TensorRT runs the models, and training and reports are another machine's work."""

_ENGINES = ("tensorrt", "pycuda")  # with the GPU, in driver.py


def package_findings(host: Host) -> list[Finding]:
    """OpenCV, one line of the packages that are there, and one for each that is missing."""
    wanted = [name for name in PARTS if name not in ("cv2", *_ENGINES)]
    present, missing = [], []
    for name in wanted:
        part = PARTS[name]
        try:
            module = importlib.import_module(name)
        except ImportError:
            if not (host.jetson and name in OFF_BOARD):
                missing.append(Finding("warning", part.title, f"missing; {part.work} needs it", part.install))
        else:
            version = str(getattr(module, "__version__", "")).partition("-")[0]  # OpenVINO's goes on with its build
            present.append(f"{part.title} {version}".strip())
    return [_opencv(host), *([Finding("ok", "packages", ", ".join(present))] if present else []), *missing]


def _opencv(host: Host) -> Finding:
    try:
        import cv2
    except ImportError as error:
        if "libGL" in str(error):
            return Finding(
                "wrong", "OpenCV", "cannot load libGL", "apt install libgl1, or pip install opencv-python-headless"
            )
        if "numpy" in str(error):
            return Finding("wrong", "OpenCV", "was built for numpy 1", 'pip install "numpy<2"')
        return Finding("wrong", "OpenCV", "missing", PARTS["cv2"].install)
    if any("GStreamer" in line and "YES" in line for line in cv2.getBuildInformation().splitlines()):
        return Finding("ok", "OpenCV", f"{cv2.__version__} with GStreamer")
    found = f"{cv2.__version__} without GStreamer (CSI cameras need it)"
    if host.jetson:
        remedy = (
            "pip uninstall opencv-python opencv-python-headless, apt install python3-opencv, and a venv with "
            "--system-site-packages: jetson/setup.sh makes one"
        )
        return Finding("warning", "OpenCV", found, remedy)
    return Finding("ok", "OpenCV", found)
