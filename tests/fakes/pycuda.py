"""A FAKE of pycuda 2026.1 on the fake driver of libcuda.cpp, for machines without a GPU.

It has the members that edgeunet.runtime.gpu.cuda uses and no others. Like the real one it ties a context to the thread
that retained it, destroys streams with their last reference, and raises its own errors.

    fake = FakeCuda.build(folder)           # compiles the driver; skips the test where there is no g++
    fake.install(monkeypatch)
    fake.set("memory", 1 << 20)             # bytes of device memory; also integrated, refuse_capture, newest_ptx, …
    fake.held()                             # {} when everything was freed
"""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import DTypeLike, NDArray

from edgeunet.board.gpu import find_gpu
from edgeunet.runtime.gpu.kernels import Kernel

_COUNTS = ("device memory", "host memory", "streams", "events", "graphs", "contexts", "modules")
HostFunction = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class FakeCuda:
    """The fake driver, loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.library = ctypes.CDLL(str(path))
        self.library.fake_count.restype = ctypes.c_longlong
        self.library.fake_set.argtypes = (ctypes.c_char_p, ctypes.c_longlong)
        self.library.fake_journal.restype = ctypes.c_char_p
        self.library.fake_run_kernel.restype = ctypes.c_bool
        self.warnings: list[str] = []  # what pycuda would print: something was not freed where it should have been
        self._host_functions: list[Any] = []

    @classmethod
    def build(cls, folder: Path) -> FakeCuda:
        """Compile the driver and the kernels into `folder`."""
        compiler = shutil.which("g++")
        if compiler is None:
            pytest.skip("no g++ to compile the CUDA kernels for the CPU")
        path = folder / "libfakecuda.so"
        source = Path(__file__).with_name("libcuda.cpp")
        command = [compiler, "-std=c++17", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(path), str(source)]
        subprocess.run(command, check=True)
        return cls(path)

    def install(self, monkeypatch: pytest.MonkeyPatch, *, pycuda: bool = True) -> None:
        """Put the driver where it is loaded from, and pycuda's modules where they are imported from, or none."""
        for name, module in _modules(self).items():
            monkeypatch.setitem(sys.modules, name, module if pycuda else None)
        monkeypatch.setattr("edgeunet.runtime.gpu.libcuda.LIBRARY", str(self.path))
        monkeypatch.setattr("edgeunet.runtime.gpu.cuda.find_gpu", lambda: find_gpu(str(self.path)))

    def set(self, name: str, value: int) -> None:
        self.library.fake_set(name.encode(), value)

    def reset(self) -> None:
        """As on a new machine."""
        self.warnings.clear()
        self._host_functions.clear()
        self.library.fake_reset()

    def held(self) -> dict[str, int]:
        """What was taken and not given back."""
        counts = {name: int(self.library.fake_count(name.encode())) for name in _COUNTS}
        return {name: count for name, count in counts.items() if count}

    def journal(self) -> list[str]:
        """The driver's functions that were called since the last time, in order."""
        text: bytes = self.library.fake_journal(1)
        return text.decode().split()

    def run_kernel(self, kernel: Kernel, width: int, height: int, arguments: tuple[int, ...]) -> None:
        """Run a kernel over width × height pixels; addresses are the host's."""
        grid, block = kernel.grid(width, height), kernel.block
        packed = struct.pack(kernel.arguments, *arguments)
        assert self.library.fake_run_kernel(kernel.name.encode(), *grid[:2], *block[:2], packed)

    def put(self, stream: int, function: Callable[[], None]) -> bool:
        """Let a stream run a function of the host when its turn comes, also as part of a graph."""
        callback = HostFunction(lambda _: function())
        self._host_functions.append(callback)
        return int(self.library.cuLaunchHostFunc(ctypes.c_void_p(stream), callback, None)) == 0


class Error(Exception):
    pass


class MemoryError(Error):  # noqa: A001
    pass


class LogicError(Error):
    pass


class LaunchError(Error):
    pass


_ERRORS: Mapping[int, type[Error]] = {2: MemoryError, 719: LaunchError}


class _Api:
    """Calls the fake driver as pycuda does: an error code becomes an exception, or in a clean-up a warning."""

    def __init__(self, fake: FakeCuda) -> None:
        self.fake = fake

    def __call__(self, name: str, *arguments: Any) -> None:
        code = getattr(self.fake.library, name)(*arguments)
        if code:
            raise _ERRORS.get(code, LogicError)(f"{name} failed: {self._text(code)}")

    def clean_up(self, name: str, *arguments: Any) -> None:
        code = getattr(self.fake.library, name)(*arguments)
        if code:
            self.fake.warnings.append(f"{name}: {self._text(code)}")

    def _text(self, code: int) -> str:
        text = ctypes.c_char_p()
        self.fake.library.cuGetErrorString(code, ctypes.byref(text))
        return (text.value or b"").decode()


class Context:
    _api: _Api
    _pushed = threading.local()

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._valid = True

    def push(self) -> None:
        self._api("cuCtxPushCurrent_v2", None)
        self._stack().append(self)

    @classmethod
    def pop(cls) -> None:
        if not cls._stack():
            raise LogicError("context::pop failed: invalid device context - cannot pop non-current context")
        cls._api("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))
        cls._stack().pop()

    def detach(self) -> None:
        if not self._valid:
            raise LogicError("context::detach failed: invalid device context - cannot detach from invalid context")
        if self._thread != threading.get_ident():
            return  # the real one leaks it without a word
        active = self._stack()[-1:] == [self]
        if not active:
            self._api.clean_up("cuCtxPushCurrent_v2", None)  # and the real one leaves it there
        self._valid = False
        self._api.clean_up("cuDevicePrimaryCtxRelease_v2", 0)
        if active:
            self._stack().pop()

    @classmethod
    def _stack(cls) -> list[Context]:
        if not hasattr(cls._pushed, "stack"):
            cls._pushed.stack = []
        stack: list[Context] = cls._pushed.stack
        return stack

    @classmethod
    def _current(cls) -> Context:
        if not cls._stack():
            raise LogicError("explicit_context_dependent failed: invalid device context - no currently active context?")
        return cls._stack()[-1]


def _modules(fake: FakeCuda) -> dict[str, ModuleType]:
    api = _Api(fake)
    Context._api = api
    root, driver = ModuleType("pycuda"), ModuleType("pycuda.driver")
    members: dict[str, Any] = {
        **{error.__name__: error for error in (Error, MemoryError, LogicError, LaunchError)},
        "Context": Context,
        "init": lambda: api("cuInit", 0),
        "mem_get_info": lambda: _memory(api),
    }

    class Device:
        def __init__(self, number: int) -> None:
            api("cuDeviceGet", ctypes.byref(ctypes.c_int()), number)

        def retain_primary_context(self) -> Context:
            api("cuDevicePrimaryCtxRetain", ctypes.byref(ctypes.c_void_p()), 0)
            return Context()

    class host_alloc_flags:  # noqa: N801
        DEVICEMAP = 2

    class Stream:
        def __init__(self, flags: int = 0) -> None:
            self._context = Context._current()
            self._handle = ctypes.c_void_p()
            api("cuStreamCreate", ctypes.byref(self._handle), flags)

        def __del__(self) -> None:
            if not self._context._valid:
                fake.warnings.append("a stream outlived its context")
            elif self._context._thread != threading.get_ident():
                fake.warnings.append("a stream was dropped outside its thread")
            else:
                api.clean_up("cuStreamDestroy_v2", self._handle)

        @property
        def handle(self) -> int:
            return self._handle.value or 0

        def synchronize(self) -> None:
            api("cuStreamSynchronize", self._handle)

    class DeviceAllocation:
        def __init__(self, address: int) -> None:
            self._address = address

        def __int__(self) -> int:
            return self._address

        def free(self) -> None:
            api.clean_up("cuMemFree_v2", ctypes.c_ulonglong(self._address))

    def mem_alloc(size: int) -> DeviceAllocation:
        Context._current()
        address = ctypes.c_ulonglong()
        api("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return DeviceAllocation(address.value)

    class PagelockedHostAllocation:
        def __init__(self, shape: tuple[int, ...], dtype: DTypeLike, flags: int) -> None:
            Context._current()
            self._size = int(np.prod(shape)) * np.dtype(dtype).itemsize
            self._address = ctypes.c_void_p()
            api("cuMemHostAlloc", ctypes.byref(self._address), ctypes.c_size_t(self._size), flags)
            interface = {"shape": shape, "typestr": np.dtype(dtype).str, "data": (self._address.value, False)}
            self.__array_interface__ = {**interface, "version": 3}

        def get_device_pointer(self) -> int:
            address = ctypes.c_ulonglong()
            api("cuMemHostGetDevicePointer_v2", ctypes.byref(address), self._address, 0)
            return address.value

        def free(self) -> None:
            api.clean_up("cuMemFreeHost", self._address)

    def pagelocked_empty(
        shape: tuple[int, ...], dtype: DTypeLike, order: str = "C", mem_flags: int = 0
    ) -> NDArray[Any]:
        return np.asarray(PagelockedHostAllocation(shape, dtype, mem_flags))

    def memcpy_htod_async(dest: int, src: NDArray[Any], stream: Stream) -> None:
        pointer = ctypes.c_void_p(src.ctypes.data)
        size = ctypes.c_size_t(src.nbytes)
        api("cuMemcpyHtoDAsync_v2", ctypes.c_ulonglong(dest), pointer, size, stream._handle)

    def memcpy_dtoh_async(dest: NDArray[Any], src: int, stream: Stream) -> None:
        pointer = ctypes.c_void_p(dest.ctypes.data)
        size = ctypes.c_size_t(dest.nbytes)
        api("cuMemcpyDtoHAsync_v2", pointer, ctypes.c_ulonglong(src), size, stream._handle)

    class Module:
        def __init__(self, image: bytes) -> None:
            self._handle = ctypes.c_void_p()
            api("cuModuleLoadDataEx", ctypes.byref(self._handle), image, 0, None, None)

        def __del__(self) -> None:
            if self._handle:
                api.clean_up("cuModuleUnload", self._handle)

        def get_function(self, name: str) -> Function:
            return Function(self, name)

    class Function:
        def __init__(self, module: Module, name: str) -> None:
            self._module = module
            self._handle = ctypes.c_void_p()
            api("cuModuleGetFunction", ctypes.byref(self._handle), module._handle, name.encode())

        def prepare(self, arg_types: str) -> Function:
            self._format = arg_types
            return self

        def prepared_async_call(
            self, grid: tuple[int, int, int], block: tuple[int, int, int], stream: Stream, *arguments: int
        ) -> None:
            buffer = struct.pack(self._format, *arguments)
            size = ctypes.c_size_t(len(buffer))
            address = ctypes.cast(ctypes.c_char_p(buffer), ctypes.c_void_p)
            extra = (ctypes.c_void_p * 5)(1, address.value, 2, ctypes.addressof(size), 0)
            api("cuLaunchKernel", self._handle, *grid, *block, 0, stream._handle, None, extra)

    members |= {
        "Device": Device,
        "host_alloc_flags": host_alloc_flags,
        "Stream": Stream,
        "module_from_buffer": Module,
        "mem_alloc": mem_alloc,
        "pagelocked_empty": pagelocked_empty,
        "memcpy_htod_async": memcpy_htod_async,
        "memcpy_dtoh_async": memcpy_dtoh_async,
    }
    driver.__dict__.update(members)
    root.__dict__.update(driver=driver, VERSION_TEXT="2026.1")
    return {"pycuda": root, "pycuda.driver": driver}


def _memory(api: _Api) -> tuple[int, int]:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    api("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    return free.value, total.value
