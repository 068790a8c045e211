"""NVIDIA's driver library through ctypes: its functions by name (CUDA Driver API)."""

from __future__ import annotations

import ctypes
from typing import Any

from edgeunet.errors import GpuError

LIBRARY = "libcuda.so.1"
_OUT_OF_MEMORY = 2

_int, _uint, _size, _address, _handle, _text = (
    *(ctypes.c_int, ctypes.c_uint, ctypes.c_size_t),
    *(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_char_p),
)
_p_int, _p_size, _p_address, _p_handle = map(ctypes.POINTER, (_int, _size, _address, _handle))
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cuInit": (_uint,),
    "cuDeviceGet": (_p_int, _int),
    "cuDevicePrimaryCtxRetain": (_p_handle, _int),
    "cuDevicePrimaryCtxRelease_v2": (_int,),
    "cuCtxPushCurrent_v2": (_handle,),
    "cuMemGetInfo_v2": (_p_size, _p_size),
    "cuMemAlloc_v2": (_p_address, _size),
    "cuMemFree_v2": (_address,),
    "cuMemHostAlloc": (_p_handle, _size, _uint),
    "cuMemHostGetDevicePointer_v2": (_p_address, _handle, _uint),
    "cuMemFreeHost": (_handle,),
    "cuMemcpyHtoDAsync_v2": (_address, _handle, _size, _handle),
    "cuMemcpyDtoHAsync_v2": (_handle, _address, _size, _handle),
    "cuStreamCreate": (_p_handle, _uint),
    "cuStreamSynchronize": (_handle,),
    "cuStreamDestroy_v2": (_handle,),
    "cuModuleLoadData": (_p_handle, _text),
    "cuModuleGetFunction": (_p_handle, _handle, _text),
    "cuModuleUnload": (_handle,),
    "cuLaunchKernel": (_handle, *[_uint] * 7, _handle, _p_handle, _p_handle),
    "cuEventCreate": (_p_handle, _uint),
    "cuEventRecord": (_handle, _handle),
    "cuEventRecordWithFlags": (_handle, _handle, _uint),
    "cuEventElapsedTime": (ctypes.POINTER(ctypes.c_float), _handle, _handle),
    "cuEventDestroy_v2": (_handle,),
    "cuStreamBeginCapture_v2": (_handle, _int),
    "cuStreamEndCapture": (_handle, _p_handle),
    "cuGraphInstantiateWithFlags": (_p_handle, _handle, ctypes.c_ulonglong),
    "cuGraphLaunch": (_handle, _handle),
    "cuGraphExecDestroy": (_handle,),
    "cuGraphDestroy": (_handle,),
    "cuGetErrorString": (_int, ctypes.POINTER(_text)),
}


class DriverError(GpuError):
    """A function of the driver failed."""


class DriverMemoryError(DriverError):
    """There is not enough GPU memory."""


class Driver:
    """The driver's functions by name. Most need a context that is current in the calling thread."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        for name, arguments in _SIGNATURES.items():
            function = getattr(self._library, name)
            function.argtypes, function.restype = arguments, ctypes.c_int

    def call(self, name: str, *arguments: Any) -> None:
        """Raises DriverError if the driver refuses."""
        code = getattr(self._library, name)(*arguments)
        if code:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(code, ctypes.byref(text))
            kind = DriverMemoryError if code == _OUT_OF_MEMORY else DriverError
            raise kind(f"{name} failed: {(text.value or b'unknown error').decode()} ({code})")

    def clean_up(self, name: str, *arguments: Any) -> None:
        """The same for a function that destroys something; a lost device refuses even that, so errors are ignored."""
        getattr(self._library, name)(*arguments)
