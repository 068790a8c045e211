"""The NVIDIA GPU, its driver and the TensorRT bindings, or which of them is missing.

ctypes asks the driver before any TensorRT object is made: without a driver TensorRT's own objects are null, or
end the process.
"""

from __future__ import annotations

import ctypes
import importlib
import re
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

from edgeunet.errors import GpuError, MissingDependencyError
from edgeunet.utils.dependencies import missing

Provider = Literal["tensorrt", "tensorrt_rtx"]
OLDEST = (10, 3)
"""The oldest TensorRT that runs a strongly typed network with explicit Q/DQ; JetPack 6.1 has it."""

_LIBRARY = "libcuda.so.1"
_INSTALL_DRIVER = (
    "install NVIDIA's driver (on a Jetson: apt install nvidia-jetpack), or run the .onnx file, which needs no GPU"
)
_NO_DEVICE = 100  # CUresult
_MULTIPROCESSORS, _INTEGRATED, _MAJOR, _MINOR = 16, 18, 75, 76  # CUdevice_attribute
_REMEDIES = {  # by CUresult; the numbers are part of CUDA's binary interface
    34: f"this {_LIBRARY} is the toolkit's stub: " + _INSTALL_DRIVER,
    35: "the driver is older than the CUDA libraries: update the driver",
    _NO_DEVICE: "the driver sees no GPU: run nvidia-smi; in a container, start it with --gpus all "
    "(on a Jetson: --runtime nvidia)",
    801: "on a Jetson a device file of the GPU is missing or closed: `edgeunet doctor` names a group to join; in a "
    "container, start it with --runtime nvidia; in a service, allow what jetson/edgeunet-camera@.service allows",
    803: "the driver was updated while it was in use: restart the machine",
}


@dataclass(frozen=True)
class Gpu:
    """The first GPU that CUDA lists.

    CUDA calls every Orin "Orin" 8.7: memory and multiprocessors tell an AGX from a Nano. 0 stands for unknown.
    """

    name: str
    compute_capability: str  # "8.7"
    cuda: str  # the newest CUDA version that the driver runs, "12.6"
    memory_mib: int = 0
    multiprocessors: int = 0
    integrated: bool = False  # its memory is the CPU's


def find_gpu(library: str = _LIBRARY) -> Gpu:
    """Initialise the driver and ask it for the first GPU.

    library: the driver's shared library.
    Raises GpuError with a different message for no driver, a stub, a driver without GPU, and a driver that fails.
    """
    try:
        driver = ctypes.CDLL(library)
    except OSError as error:
        raise GpuError(f"there is no NVIDIA driver here ({library} does not load): {_INSTALL_DRIVER}") from error
    _check(driver, driver.cuInit(0))
    device, count = ctypes.c_int(), ctypes.c_int()
    _check(driver, driver.cuDeviceGetCount(ctypes.byref(count)))
    if count.value == 0:
        _check(driver, _NO_DEVICE)
    _check(driver, driver.cuDeviceGet(ctypes.byref(device), 0))
    name = ctypes.create_string_buffer(256)
    _check(driver, driver.cuDeviceGetName(name, len(name), device))
    version, memory = ctypes.c_int(), ctypes.c_size_t()
    _check(driver, driver.cuDriverGetVersion(ctypes.byref(version)))
    _check(driver, driver.cuDeviceTotalMem_v2(ctypes.byref(memory), device))
    return Gpu(
        name.value.decode(),
        ".".join(str(_attribute(driver, number, device)) for number in (_MAJOR, _MINOR)),
        f"{version.value // 1000}.{version.value % 1000 // 10}",
        memory.value >> 20,
        _attribute(driver, _MULTIPROCESSORS, device),
        bool(_attribute(driver, _INTEGRATED, device)),
    )


def _attribute(driver: ctypes.CDLL, number: int, device: ctypes.c_int) -> int:
    value = ctypes.c_int()
    _check(driver, driver.cuDeviceGetAttribute(ctypes.byref(value), number, device))
    return value.value


def _check(driver: ctypes.CDLL, code: int) -> None:
    if code == 0:
        return
    name = ctypes.c_char_p()
    driver.cuGetErrorName(code, ctypes.byref(name))
    said = (name.value or b"unknown error").decode()
    remedy = _REMEDIES.get(code, "run `sudo dmesg` to find out why, then restart the machine")
    raise GpuError(f"the NVIDIA driver reports {said} ({code}); {remedy}")


def tensorrt_module(provider: Provider) -> ModuleType:
    """The Python bindings of TensorRT, or of TensorRT-RTX, which have the same classes.

    Raises MissingDependencyError if they are not installed, GpuError if they do not load or are too old.
    """
    module = _rtx_module() if provider == "tensorrt_rtx" else _import(provider)
    if module is None:
        if provider == "tensorrt":
            raise missing("tensorrt")
        raise MissingDependencyError(
            "TensorRT-RTX", "--provider tensorrt_rtx", "install the wheel tensorrt_rtx from NVIDIA's TensorRT-RTX"
        )
    if provider == "tensorrt" and version_of(module) < OLDEST:
        raise GpuError(
            f"TensorRT {module.__version__} is too old: it cannot build strongly typed networks, "
            f"which all models here are; install {'.'.join(map(str, OLDEST))} or later (on a Jetson: JetPack 6.1 or "
            "later), or run the .onnx file"
        )
    return module


def version_of(module: ModuleType) -> tuple[int, ...]:
    """The bindings' version as numbers, without what follows them: "10.7.0.post1" is (10, 7, 0)."""
    numbers = re.match(r"[0-9]{1,9}(\.[0-9]{1,9})*", str(module.__version__))
    return tuple(map(int, numbers[0].split("."))) if numbers else ()


def dla_typing(version: tuple[int, ...]) -> Literal["weak", "strong", ""]:
    """How this version of TensorRT types a network for a DLA; "" if it has none, though its members name it."""
    if version < (10, 8):
        return "weak"
    return "strong" if version >= (11, 4, 1) else ""


def _rtx_module() -> ModuleType | None:
    # NVIDIA's wheel of the bindings alone has the second name; the first loads it and the libraries.
    return _import("tensorrt_rtx") or _import("tensorrt_rtx_bindings")


def _import(name: str) -> ModuleType | None:
    """The module; None if it does not exist. Raises GpuError if it exists and does not load."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name:
            return None
        raise GpuError(f"the Python package {name} has no {error.name}: reinstall it with its dependencies") from error
    except ImportError as error:
        raise GpuError(
            f"the Python package {name} does not load ({error}): install the libraries of the same version, "
            "or put their folder into LD_LIBRARY_PATH"
        ) from error
