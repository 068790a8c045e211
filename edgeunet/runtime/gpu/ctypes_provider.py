"""Stands in for pycuda where it is not installed: the members of pycuda.driver that cuda.py uses, with ctypes.

pycuda has no wheels: it is built from source, with a compiler and CUDA's headers. This needs the driver alone, whose
functions for CUDA graphs are called through ctypes in any case. As with pycuda, everything belongs to the thread whose
context is current, and a stream or a module goes with its last reference.
"""

from __future__ import annotations

import ctypes
import struct
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edgeunet.runtime.gpu.libcuda import Driver, DriverError, DriverMemoryError

_BUFFER, _BUFFER_SIZE, _END = 1, 2, 0  # CU_LAUNCH_PARAM
Dim3 = tuple[int, int, int]


class CtypesProvider:
    """In place of the module pycuda.driver; each member is as that one's of the same name."""

    Error, MemoryError = DriverError, DriverMemoryError
    host_alloc_flags = SimpleNamespace(DEVICEMAP=2)

    def __init__(self) -> None:
        driver = self._driver = Driver()
        self.Device = partial(_Device, driver)
        self.Stream = partial(_Stream, driver)
        self.mem_alloc = partial(_DeviceAllocation, driver)
        self.module_from_buffer = partial(_Module, driver)

    def init(self) -> None:
        self._driver.call("cuInit", 0)

    def mem_get_info(self) -> tuple[int, int]:
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._driver.call("cuMemGetInfo_v2", free, total)
        return free.value, total.value

    def pagelocked_empty(self, shape: tuple[int, ...], dtype: DTypeLike, *, mem_flags: int = 0) -> NDArray[Any]:
        return np.asarray(_HostAllocation(self._driver, shape, np.dtype(dtype), mem_flags))

    def memcpy_htod_async(self, dest: int, src: NDArray[Any], stream: _Stream) -> None:
        self._driver.call("cuMemcpyHtoDAsync_v2", dest, src.ctypes.data, src.nbytes, stream.handle)

    def memcpy_dtoh_async(self, dest: NDArray[Any], src: int, stream: _Stream) -> None:
        self._driver.call("cuMemcpyDtoHAsync_v2", dest.ctypes.data, src, dest.nbytes, stream.handle)


class _Device:
    def __init__(self, driver: Driver, number: int) -> None:
        self._driver, self._device = driver, ctypes.c_int()
        driver.call("cuDeviceGet", self._device, number)

    def retain_primary_context(self) -> _Context:
        return _Context(self._driver, self._device)


class _Context:
    def __init__(self, driver: Driver, device: ctypes.c_int) -> None:
        self._driver, self._device, self._context = driver, device, ctypes.c_void_p()
        driver.call("cuDevicePrimaryCtxRetain", self._context, device)

    def push(self) -> None:
        self._driver.call("cuCtxPushCurrent_v2", self._context)

    def detach(self) -> None:  # not taken off the thread's stack, as pycuda: the thread ends
        self._driver.clean_up("cuDevicePrimaryCtxRelease_v2", self._device)


class _Stream:
    def __init__(self, driver: Driver, flags: int) -> None:
        self._driver, stream = driver, ctypes.c_void_p()
        driver.call("cuStreamCreate", stream, flags)
        self.handle = stream.value

    def synchronize(self) -> None:
        self._driver.call("cuStreamSynchronize", self.handle)

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self._driver.clean_up("cuStreamDestroy_v2", self.handle)


class _DeviceAllocation:
    def __init__(self, driver: Driver, size: int) -> None:
        self._driver, self._address = driver, ctypes.c_uint64()
        driver.call("cuMemAlloc_v2", self._address, size)

    def __int__(self) -> int:
        return self._address.value

    def free(self) -> None:
        self._driver.clean_up("cuMemFree_v2", self._address)


class _HostAllocation:
    """The base of a page-locked array."""

    def __init__(self, driver: Driver, shape: tuple[int, ...], dtype: np.dtype[Any], flags: int) -> None:
        self._driver, self._pages = driver, ctypes.c_void_p()
        driver.call("cuMemHostAlloc", self._pages, int(np.prod(shape)) * dtype.itemsize, flags)
        data = (self._pages.value, False)
        self.__array_interface__ = {"shape": shape, "typestr": dtype.str, "data": data, "version": 3}

    def get_device_pointer(self) -> int:
        address = ctypes.c_uint64()
        self._driver.call("cuMemHostGetDevicePointer_v2", address, self._pages, 0)
        return address.value

    def free(self) -> None:
        self._driver.clean_up("cuMemFreeHost", self._pages)


class _Module:
    def __init__(self, driver: Driver, image: bytes) -> None:
        self._driver, module = driver, ctypes.c_void_p()
        driver.call("cuModuleLoadData", module, image)
        self.handle = module

    def get_function(self, name: str) -> _Function:
        return _Function(self._driver, self, name)

    def __del__(self) -> None:
        if hasattr(self, "handle"):
            self._driver.clean_up("cuModuleUnload", self.handle)


class _Function:
    def __init__(self, driver: Driver, module: _Module, name: str) -> None:
        self._driver, self._module, self._function = driver, module, ctypes.c_void_p()
        driver.call("cuModuleGetFunction", self._function, module.handle, name.encode())

    def prepare(self, arg_types: str) -> _Function:
        self._format = arg_types
        return self

    def prepared_async_call(self, grid: Dim3, block: Dim3, stream: _Stream, *arguments: int) -> None:
        packed = struct.pack(self._format, *arguments)
        size = ctypes.c_size_t(len(packed))
        address = ctypes.cast(ctypes.c_char_p(packed), ctypes.c_void_p).value
        extra = (ctypes.c_void_p * 5)(_BUFFER, address, _BUFFER_SIZE, ctypes.addressof(size), _END)
        self._driver.call("cuLaunchKernel", self._function, *grid, *block, 0, stream.handle, None, extra)
