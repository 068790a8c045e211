"""NVML, the management library of NVIDIA's driver, on a PC: clocks, load, temperature and power of each GPU.

ctypes calls it: it comes with the driver, and the sampler's process imports nothing but the standard library. The
functions and numbers are those of nvml.h. Not run on a GPU yet.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator

LIBRARY = "libnvidia-ml.so.1"
_GRAPHICS, _MEMORY = 0, 2  # nvmlClockType_t
_OF_THE_GPU = 0  # nvmlTemperatureSensors_t


class _Utilization(ctypes.Structure):
    """nvmlUtilization_t, percent."""

    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


def gpus(library: str = LIBRARY) -> Iterator[tuple[str, str, Callable[[], float]]]:
    """Quantity, unit and reader of what each GPU reports; nothing without the library or a GPU.

    A reader raises OSError if the GPU no longer answers.
    """
    try:
        nvml = ctypes.CDLL(library)
    except OSError:
        return
    count = ctypes.c_uint()
    if nvml.nvmlInit_v2() or nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)):
        return
    for index in range(count.value):
        device = ctypes.c_void_p()
        if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(device)):
            continue
        for quantity, unit, function, which in (
            ("gpu", "mhz", "ClockInfo", (_GRAPHICS,)),
            ("gpu_memory", "mhz", "ClockInfo", (_MEMORY,)),
            ("gpu_busy", "percent", "UtilizationRates", ()),
            ("gpu", "c", "Temperature", (_OF_THE_GPU,)),
            ("gpu", "mw", "PowerUsage", ()),
        ):
            read = _reader(getattr(nvml, f"nvmlDeviceGet{function}"), device, which)
            try:
                read()
            except OSError:  # this GPU does not report it
                continue
            yield quantity, unit, read


def _reader(function: Callable[..., int], device: ctypes.c_void_p, which: tuple[int, ...]) -> Callable[[], float]:
    def read() -> float:
        answer = _Utilization()  # of which the other functions fill in the first number
        if code := function(device, *which, ctypes.byref(answer)):
            raise OSError(f"NVML answered {code}")
        return float(answer.gpu)

    return read
