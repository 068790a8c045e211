"""GPU, driver, CUDA toolkit, TensorRT and pycuda: what engines are built and run with."""

from __future__ import annotations

import importlib
import json

from edgeunet.board.doctor.finding import Finding
from edgeunet.board.doctor.host import Host
from edgeunet.board.gpu import Gpu, tensorrt_module, version_of
from edgeunet.board.machine import text_of
from edgeunet.errors import GpuError, MissingPartError
from edgeunet.parts import PARTS

_TOOLKIT = "usr/local/cuda"


def driver_findings(host: Host) -> list[Finding]:
    """One line where there is no NVIDIA GPU at all."""
    if not host.nvidia_gpu:
        return [Finding("ok", "GPU", "none of NVIDIA's; .onnx files run on the CPU, engines do not")]
    return [_gpu(host), _toolkit(host), _tensorrt(), _pycuda(host)]


def _gpu(host: Host) -> Finding:
    found = host.gpu
    if isinstance(found, Gpu):
        driver = host.facts.get("gpu_driver", "")
        version = f", driver {driver}" if driver else ""
        text = f"{found.name} (compute capability {found.compute_capability}), CUDA {found.cuda}{version}"
        return Finding("ok", "GPU", text)
    return Finding.of_error("wrong" if host.jetson else "warning", "GPU", found)  # a PC can do without


def _toolkit(host: Host) -> Finding:
    """CUDA's compiler is there for building pycuda; nothing else needs it."""
    folder = host.root / _TOOLKIT
    nvcc = f"/{_TOOLKIT}/bin/nvcc"
    if (folder / "bin/nvcc").exists():
        return Finding("ok", "CUDA toolkit", f"{_toolkit_version(host)} with {nvcc}")
    remedy = "apt install nvidia-jetpack" if host.jetson else "apt install nvidia-cuda-toolkit"
    return Finding("warning", "CUDA toolkit", f"no {nvcc}; building pycuda needs it", remedy)


def _toolkit_version(host: Host) -> str:
    try:
        return str(json.loads(text_of(host.root / _TOOLKIT / "version.json"))["cuda"]["version"])
    except (ValueError, KeyError, TypeError):
        return "unknown version"


def _tensorrt() -> Finding:
    try:
        trt = tensorrt_module("tensorrt")
    except MissingPartError:
        part = PARTS["tensorrt"]
        return Finding("warning", part.title, f"missing; {part.work} needs it", part.install)
    except GpuError as error:
        return Finding.of_error("wrong", "TensorRT", error)
    if hasattr(trt.BuilderFlag, "INT8"):
        builds = "fp32, fp16, int8, int8+fp16, calibration caches, and DLA where the board has one"
    else:
        builds = "fp32, fp16, int8, int8+fp16; no calibration caches, no --dla"
    return Finding("ok", "TensorRT", f"{'.'.join(map(str, version_of(trt)))}, builds {builds}")


def _pycuda(host: Host) -> Finding:
    part = PARTS["pycuda"]
    try:
        module = importlib.import_module("pycuda")
        importlib.import_module("pycuda.driver")
    except ImportError as error:
        if error.name == "pycuda":
            return Finding("warning", part.title, f"missing; {part.work} needs it", part.install)
        remedy = f"build it again: {part.install} --force-reinstall --no-cache-dir"
        return Finding("warning", part.title, f"does not load ({error})", remedy)
    return Finding("ok", part.title, str(getattr(module, "VERSION_TEXT", "present")))
