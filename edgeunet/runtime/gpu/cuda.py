"""All use of pycuda, or of what stands in for it: the GPU's context, memory, streams and kernels.

pycuda ties a context, and everything made in it, to one thread. So each Device has a thread of its own, which owns
the primary context. Other threads pass functions to it through Device.call(); they run one after another. Methods that
only the owner may call raise UsageError in other threads.
"""

from __future__ import annotations

import atexit
import importlib
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edgeunet.board.gpu import find_gpu
from edgeunet.errors import FrameError, GpuError, UsageError
from edgeunet.runtime.gpu.ctypes_provider import CtypesProvider
from edgeunet.runtime.gpu.kernels import KERNELS, PTX, Arguments, Dim3, Kernel
from edgeunet.runtime.gpu.libcuda import DriverError, DriverMemoryError
from edgeunet.utils.formatting import one_line

T = TypeVar("T")
NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: does not wait for the default stream
MIB = 1 << 20
EXCLUSIVE = threading.Lock()
"""Held while a session opens or closes and while a graph is captured: a synchronisation of the device, by whatever
library, breaks the captures of all threads."""


class Device:
    """One GPU, its primary context, and the thread that owns both.

    gpu: which one it is. provider: of the driver's functions: pycuda, or ctypes and why not pycuda.
    resources: what close() frees, the last one first; for the owner only.
    """

    provider: str

    def __init__(self) -> None:
        """Open the first GPU; raises GpuError if it cannot be used."""
        self.gpu = find_gpu()
        self.resources = ExitStack()
        self._driver: Any = None
        self._functions: dict[str, Any] = {}
        self._tasks: SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None] = SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._failure: BaseException | None = None
        opened: Future[None] = Future()
        # A daemon: a program that forgets close() still ends.
        self._owner = threading.Thread(target=self._own, args=(opened,), name="edgeunet-gpu", daemon=True)
        self._owner.start()
        try:
            opened.result()
        except BaseException:
            self._owner.join()
            raise
        atexit.register(self.close)  # or Python stops the owner in the middle of its work, and pycuda ends the process

    def call(self, function: Callable[[], T]) -> T:
        """Run `function` on the owner's thread; returns or raises what it does; from any thread.

        Raises GpuError if the GPU fails, UsageError after close().
        """
        if threading.current_thread() is self._owner:
            return function()
        result: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise UsageError("the GPU was released: open the session again")
            self._tasks.put((function, result))
        return result.result()

    def close(self) -> None:
        """Free everything and release the context; from any thread, and more than once.

        Raises GpuError if the GPU refuses that.
        """
        self.close_soon()
        if threading.current_thread() is not self._owner:
            self._owner.join()
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure

    def close_soon(self) -> None:
        """close() without waiting, for what the garbage collector runs: in any thread, which may hold EXCLUSIVE."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._tasks.put(None)

    @property
    def failures(self) -> tuple[type[BaseException], ...]:
        """What the owner's calls raise if the GPU refuses something."""
        return (GpuError, self._driver.Error)

    def stream(self) -> Stream:
        """A new queue of work, apart from the default one."""
        self._require_owner()
        return Stream(self._driver)

    def buffer(self, shape: tuple[int, ...], dtype: DTypeLike, *, mapped: bool = False) -> Buffer:
        """Memory that both the CPU and the GPU reach; mapped: see Buffer."""
        self._require_owner()
        return Buffer(self._driver, shape, dtype, mapped=mapped)

    def device_memory(self, size: int) -> DeviceMemory:
        """`size` bytes that only the GPU reaches."""
        self._require_owner()
        return DeviceMemory(self._driver, size)

    def memory_mib(self) -> tuple[int, int]:
        """(free, total) device memory in MiB."""
        self._require_owner()
        free, total = self._driver.mem_get_info()
        return free // MIB, total // MIB

    def launch(self, kernel: Kernel, grid: Dim3, arguments: Arguments, stream: Stream) -> None:
        """Start a kernel on a stream; the first call loads all kernels."""
        self._require_owner()
        if not self._functions:
            self.load_kernels()
        self._functions[kernel.name].prepared_async_call(grid, kernel.block, stream.provided, *arguments)

    def load_kernels(self) -> None:
        """Give the kernels' PTX to the driver, which compiles it for this GPU, or finds it in its cache."""
        self._require_owner()
        try:
            module = self._driver.module_from_buffer(PTX.read_bytes())
        except self._driver.Error as error:
            raise GpuError(
                f"the driver refuses the CUDA kernels ({one_line(error)}): they need a driver of CUDA 12.5 or later "
                "(JetPack 6.1 has it), and a GPU of compute capability 7.5 or later"
            ) from error
        self._functions.update((k.name, module.get_function(k.name).prepare(k.arguments)) for k in KERNELS)

    def _require_owner(self) -> None:
        if threading.current_thread() is not self._owner:
            raise UsageError(
                f"{threading.current_thread().name} is not the thread that owns the GPU: use Device.call()"
            )

    def _own(self, opened: Future[None]) -> None:
        try:
            self._driver, self.provider = _provider()
            try:
                with ExitStack() as undo:
                    with EXCLUSIVE:
                        self._open(undo)
                    opened.set_result(None)
                    self._serve()
                    with EXCLUSIVE:
                        undo.close()
            except self._driver.Error as error:
                raise self._explained(error) from error
        except BaseException as error:  # noqa: BLE001  the thread that opens or closes raises it
            if opened.done():
                self._failure = error
            else:
                opened.set_exception(error)
        finally:
            atexit.unregister(self.close)

    def _open(self, undo: ExitStack) -> None:
        self._driver.init()
        context = self._driver.Device(0).retain_primary_context()
        undo.callback(context.detach)  # takes it off the stack, too; pop() would raise the error of a lost GPU instead
        context.push()
        undo.callback(self._functions.clear)  # a module is unloaded when its last function goes
        undo.callback(self.resources.close)

    def _serve(self) -> None:
        while (task := self._tasks.get()) is not None:
            function, result = task
            try:
                value = function()
            except BaseException as error:  # noqa: BLE001  the caller raises it
                _forget_locals(error)  # before the caller gets it
                result.set_exception(self._explained(error))
            else:
                result.set_result(value)
                del value
            del task, function, result  # or they would keep their buffers until the next call

    def _explained(self, error: BaseException) -> BaseException:
        if not isinstance(error, (self._driver.Error, DriverError)):
            return error
        if isinstance(error, (self._driver.MemoryError, DriverMemoryError)):
            explained = GpuError(
                f"out of GPU memory ({one_line(error)}): close other programs on the GPU, or use a smaller model"
            )
        else:
            explained = GpuError(
                f"the GPU failed ({one_line(error)}): open the session again; if that fails too, end this process"
            )
        explained.__cause__ = error
        return explained


class Stream:
    """A queue of work on the GPU.

    provided: the object to hand to the provider's functions. handle: CUstream, for TensorRT and the driver.
    """

    def __init__(self, driver: Any) -> None:
        self.provided: Any = driver.Stream(NON_BLOCKING)
        self.handle = int(self.provided.handle)

    def synchronize(self) -> None:
        """Wait until all its work is done; raises the error of work that failed."""
        self.provided.synchronize()

    def free(self) -> None:
        self.provided = None  # a stream is destroyed with its last reference, which must happen on the owner's thread


class DeviceMemory:
    """Memory on the device; address is 0 once it is freed."""

    def __init__(self, driver: Any, size: int) -> None:
        self._allocation = driver.mem_alloc(size)
        self.address = int(self._allocation)

    def free(self) -> None:
        if self.address:
            self.address = 0
            self._allocation.free()


class Buffer:
    """Page-locked host memory and the device memory behind it, both of one shape and dtype, allocated once.

    mapped: they are the same memory, and nothing is copied. For what the GPU writes once, on a GPU that shares memory
    with the CPU: it does not cache page-locked memory, so what it reads more than once is copied first (NVIDIA, CUDA
    for Tegra, "Memory Management").
    host: the array on the host, C-contiguous. address: of the device memory.
    """

    def __init__(self, driver: Any, shape: tuple[int, ...], dtype: DTypeLike, *, mapped: bool) -> None:
        self._driver = driver
        self.mapped = mapped
        self.host: NDArray[Any] = driver.pagelocked_empty(
            shape, dtype, mem_flags=driver.host_alloc_flags.DEVICEMAP if mapped else 0
        )
        self._pages: Any = self.host.base
        self._device: DeviceMemory | None = None
        if mapped:
            self.address = int(self._pages.get_device_pointer())
            return
        try:
            self._device = DeviceMemory(driver, self.host.nbytes)
        except BaseException:
            self._pages.free()
            raise
        self.address = self._device.address

    def write(self, array: NDArray[Any]) -> None:
        """Copy an array of any strides to the host's side. Raises FrameError for another shape or dtype."""
        if array.shape != self.host.shape or array.dtype != self.host.dtype:
            raise FrameError(
                f"the buffer takes {self.host.dtype} {list(self.host.shape)}, got {array.dtype} {list(array.shape)}: "
                "copy only arrays of that shape and type"
            )
        np.copyto(self.host, array)

    def upload(self, stream: Stream) -> None:
        """Start the copy from host to device."""
        if not self.mapped:
            self._driver.memcpy_htod_async(self.address, self.host, stream.provided)

    def download(self, stream: Stream) -> None:
        """Start the copy from device to host."""
        if not self.mapped:
            self._driver.memcpy_dtoh_async(self.host, self.address, stream.provided)

    def free(self) -> None:
        """Free both sides; nothing may use them any more."""
        if self.address:
            self.address = 0
            if self._device is not None:
                self._device.free()
            self.host = np.empty(0, self.host.dtype)
            self._pages.free()


def _provider() -> tuple[Any, str]:
    """pycuda.driver, or what stands in for it; and a name for describe()."""
    try:
        version = importlib.import_module("pycuda").VERSION_TEXT
        return importlib.import_module("pycuda.driver"), f"pycuda {version}"
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "pycuda"
        reason = "is not installed" if missing else f"does not load: {one_line(error)}"
    return CtypesProvider(), f"ctypes (pycuda {reason})"


def _forget_locals(error: BaseException | None) -> None:
    # The frames of an exception that is kept would hold engines and streams longer than their context lives.
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
