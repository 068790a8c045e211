"""Doctor checks of what builds and runs engines: GPU, driver, TensorRT and pycuda."""

from __future__ import annotations

import importlib
import re

from edgeunet.board.gpu import dla_typing, tensorrt_module, version_of
from edgeunet.doctor.host import Host
from edgeunet.doctor.packages import missing_package
from edgeunet.errors import GpuError, MissingDependencyError
from edgeunet.utils.check import Check
from edgeunet.utils.dependencies import OPTIONAL_DEPENDENCIES

_DLA_BOARDS = {"weak": r"AGX Orin|Orin NX", "strong": "AGX Orin", "": "(?!)"}  # by dla_typing()


def check_driver(host: Host) -> list[Check]:
    """One line where there is no NVIDIA GPU at all."""
    if not host.nvidia_gpu:
        return [Check("ok", "GPU", "no NVIDIA GPU; .onnx files run on the CPU, engines need a GPU")]
    return [_gpu(host), _tensorrt(host), _pycuda()]


def _gpu(host: Host) -> Check:
    try:
        found = host.find_gpu()
    except GpuError as error:
        return Check.of_error("wrong" if host.jetson else "warning", "GPU", error)  # a PC works without one
    driver = host.facts.get("gpu_driver", "")
    version = f", driver {driver}" if driver else ""
    text = f"{found.name} (compute capability {found.compute_capability}), CUDA {found.cuda}{version}"
    return Check("ok", "GPU", text)


def _tensorrt(host: Host) -> Check:
    try:
        trt = tensorrt_module("tensorrt")
    except MissingDependencyError:
        return missing_package("tensorrt")
    except GpuError as error:
        return Check.of_error("wrong", "TensorRT", error)
    version = version_of(trt)
    builds = ["fp32", "fp16", "int8", "int8+fp16"]
    if hasattr(trt.BuilderFlag, "INT8"):
        builds.append("calibration tables")
    if re.search(_DLA_BOARDS[dla_typing(version)], host.facts.get("board", "")):
        builds.append("DLA")
    return Check("ok", "TensorRT", f"{'.'.join(map(str, version))}, builds {', '.join(builds)}")


def _pycuda() -> Check:
    package = OPTIONAL_DEPENDENCIES["pycuda"]
    try:
        module = importlib.import_module("pycuda")
        importlib.import_module("pycuda.driver")
    except ImportError as error:
        if error.name == "pycuda":
            return Check("ok", package.title, "not installed; ctypes calls the driver instead")
        remedy = f"build it again: {package.install} --force-reinstall --no-cache-dir"
        return Check("warning", package.title, f"does not load ({error}); ctypes calls the driver instead", remedy)
    return Check("ok", package.title, str(getattr(module, "VERSION_TEXT", "present")))
