"""The parts that a machine may do without: what each is for, and the command that installs it.

On a board OpenCV and TensorRT are the system's; pip must not put a wheel over them.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

from edgeunet.errors import MissingPartError


class Part(NamedTuple):
    """An optional module: its name for people, the work that needs it, how to get it."""

    title: str
    work: str
    install: str


PARTS = {
    "cv2": Part("OpenCV", "everything", "pip install opencv-python; on a Jetson: apt install python3-opencv"),
    "onnxruntime": Part("ONNX Runtime", "running a .onnx model", "pip install onnxruntime"),
    "openvino": Part("OpenVINO", "the fastest INT8 on a CPU", "pip install openvino"),
    "torch": Part(
        "PyTorch", "training", "pip install torch; without CUDA: --index-url https://download.pytorch.org/whl/cpu"
    ),
    "onnx": Part("ONNX", "exporting", "pip install onnx"),
    "av": Part("PyAV", "reading, recording and streaming video", "pip install 'edgeunet[video]'"),
    "aiohttp": Part("aiohttp", "the page and the metrics", "pip install 'edgeunet[serve]'"),
    "prometheus_client": Part("prometheus-client", "the metrics", "pip install 'edgeunet[serve]'"),
    "matplotlib": Part("Matplotlib", "the report", "pip install matplotlib"),
    "jinja2": Part("Jinja2", "the report", "pip install jinja2"),
    "scipy": Part("SciPy", "qualifying the guard", "pip install scipy"),
    "polygraphy": Part("Polygraphy", "comparing the tensors inside two models", "pip install polygraphy"),
    "tensorrt": Part("TensorRT", "running engines on an NVIDIA GPU", "on a Jetson: apt install python3-libnvinfer"),
    "pycuda": Part("pycuda", "running engines on an NVIDIA GPU", "PATH=/usr/local/cuda/bin:$PATH pip install pycuda"),
}


def missing(module: str) -> MissingPartError:
    """The error for a module of PARTS that cannot be imported."""
    part = PARTS[module]
    return MissingPartError(part.title, part.work, part.install)


def require_installed(module: str) -> None:
    """Raise the error for a module of PARTS that is not installed; it is not loaded for that."""
    if find_spec(module) is None:
        raise missing(module)
