"""The GPU's context, thread, memory and streams, on a driver made of the host's memory."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import cast

import numpy as np
import pytest

from edgeunet.board.gpu import Gpu
from edgeunet.errors import FrameError, GpuError, UsageError
from edgeunet.runtime.gpu.cuda import Buffer, Device
from edgeunet.runtime.gpu.cuda_graph import CudaGraph, Timeline
from edgeunet.runtime.gpu.kernels import ARGMAX, PTX
from edgeunet.runtime.gpu.libcuda import Driver
from tests.fakes.pycuda import FakeCuda

SHAPE = (5, 7, 3)


def test_a_context_is_retained_and_released_by_one_thread(cuda: FakeCuda) -> None:
    device = Device()
    assert device.gpu == Gpu("CPU in place of a GPU", "8.7", "13.0", memory_mib=1024)
    assert cuda.held() == {"contexts": 1}
    assert device.call(threading.current_thread) is not threading.current_thread()
    device.close()
    device.close()
    assert cuda.journal() == [
        *("cuInit", "cuInit", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2", "cuDevicePrimaryCtxRelease_v2"),
    ]


def test_every_thread_is_served(cuda: FakeCuda) -> None:
    """Memory is taken and freed for eight threads, none of which has a context."""
    device = Device()

    def work(thread: int) -> int:
        for size in range(1, 20):
            memory = device.call(lambda size=size: device.device_memory(size))  # type: ignore[misc]
            device.call(memory.free)
        return device.call(threading.get_ident)

    with ThreadPoolExecutor(8) as pool:
        owners = set(pool.map(work, range(8)))
    assert len(owners) == 1
    assert device.call(lambda: device.call(lambda: 7)) == 7, "the owner may ask too"
    device.close()


def test_what_is_for_the_owner_refuses_other_threads(cuda: FakeCuda) -> None:
    device = Device()
    calls = (
        device.stream,
        device.memory_mib,
        device.load_kernels,
        lambda: device.buffer(SHAPE, np.uint8),
        lambda: device.device_memory(1),
    )
    for call in calls:
        with pytest.raises(UsageError, match=r"MainThread is not the thread that owns the GPU: .*Device\.call\(\)"):
            call()
    device.close()
    with pytest.raises(UsageError, match="was released"):
        device.call(lambda: None)


def test_resources_are_freed_last_first_and_before_the_context(cuda: FakeCuda) -> None:
    device = Device()

    def take() -> None:
        stream = device.stream()
        device.resources.callback(stream.free)
        memory = device.device_memory(10)
        device.resources.callback(memory.free)
        device.load_kernels()

    device.call(take)
    cuda.journal()
    device.close()
    order = ["cuMemFree_v2", "cuStreamDestroy_v2", "cuModuleUnload", "cuDevicePrimaryCtxRelease_v2"]
    assert cuda.journal() == order


def test_an_exception_reaches_its_caller_and_keeps_nothing_alive(cuda: FakeCuda) -> None:
    device = Device()

    def fail() -> None:
        stream = device.stream()
        raise KeyError(f"stream {stream.handle}")

    with pytest.raises(KeyError, match="stream") as caught:
        device.call(fail)
    assert cuda.held() == {"contexts": 1}, "the exception's frames have let go of the stream"
    device.close()
    assert caught.value.__traceback__ is not None


def test_one_failing_cleanup_does_not_stop_the_others(cuda: FakeCuda) -> None:
    device = Device()
    memory = device.call(lambda: device.device_memory(3))
    device.call(lambda: device.resources.callback(memory.free))
    device.call(lambda: device.resources.callback(lambda: 1 // 0))
    with pytest.raises(ZeroDivisionError):
        device.close()
    device.close()


def test_what_the_gpu_refuses_while_it_closes_is_an_error_of_our_own(cuda: FakeCuda) -> None:
    device = Device()

    def refuse() -> None:
        raise cast("type[Exception]", device.failures[1])("cuEventDestroy failed: unspecified launch failure")

    device.call(lambda: device.resources.callback(refuse))
    with pytest.raises(GpuError, match=r"the GPU failed \(cuEventDestroy failed.*\): open the session again"):
        device.close()


BUSY = """
import atexit, threading, time
import pytest
from pathlib import Path
from types import ModuleType
from edgeunet.runtime.gpu.cuda import Device
from tests.fakes.pycuda import FakeCuda

cuda = FakeCuda(Path({path!r}))
cuda.install(pytest.MonkeyPatch())
atexit.register(lambda: print(cuda.held(), cuda.warnings))  # the first is the last to run
device, started = Device(), threading.Event()
threading.Thread(target=lambda: device.call(lambda: (started.set(), time.sleep(0.5))), daemon=True).start()
started.wait()
"""


def test_a_program_may_end_while_a_device_works(driver_on_cpu: FakeCuda) -> None:
    """The real pycuda ends the process with 134 if the owner is stopped with its context on the stack."""
    command = [sys.executable, "-c", BUSY.format(path=str(driver_on_cpu.path))]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "{} []\n", "")


def test_what_cannot_be_opened_is_said_and_leaves_nothing(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    cuda.set("memory", 0)
    with pytest.raises(GpuError, match=r"out of GPU memory \(cuDevicePrimaryCtxRetain failed: out of memory"):
        Device()
    cuda.reset()

    def no_driver() -> None:
        raise GpuError("there is no NVIDIA driver here")

    monkeypatch.setattr("edgeunet.runtime.gpu.cuda.find_gpu", no_driver)
    with pytest.raises(GpuError, match="no NVIDIA driver"):
        Device()
    assert threading.active_count() == 1 or not any(t.name == "edgeunet-gpu" for t in threading.enumerate())


@pytest.mark.parametrize(
    ("broken", "provider"),
    [
        ("", "pycuda 2026.1"),
        ("pycuda", "ctypes (pycuda is not installed)"),
        ("pycuda.driver", "ctypes (pycuda does not load: no pycuda.driver)"),
    ],
)
def test_ctypes_stands_in_where_pycuda_is_missing_or_broken(
    driver_on_cpu: FakeCuda, monkeypatch: pytest.MonkeyPatch, broken: str, provider: str
) -> None:
    driver_on_cpu.install(monkeypatch)

    def load(name: str) -> ModuleType:
        if broken and name.startswith(broken):
            raise ModuleNotFoundError(f"no {broken}", name=broken)
        return sys.modules[name]

    monkeypatch.setattr("edgeunet.runtime.gpu.cuda.importlib.import_module", load)
    device = Device()
    assert device.provider == provider
    device.close()


@pytest.mark.parametrize("integrated", [False, True])
def test_buffers_reach_the_gpu_and_come_back(cuda: FakeCuda, integrated: bool) -> None:
    cuda.set("integrated", integrated)
    device = Device()
    content = np.arange(105, dtype=np.uint8).reshape(SHAPE)

    def work() -> tuple[Buffer, np.ndarray, bool]:
        stream, buffer = device.stream(), device.buffer(SHAPE, np.uint8, mapped=integrated)
        buffer.write(content)
        buffer.upload(stream)
        stream.synchronize()
        buffer.host[:] = 0 if not integrated else buffer.host
        buffer.download(stream)
        early = bool((buffer.host == content).all())
        stream.synchronize()
        after = buffer.host.copy()
        buffer.free()
        buffer.free()
        return buffer, after, early

    buffer, after, early = device.call(work)
    assert np.array_equal(after, content)
    assert early is integrated, "on a GPU of its own memory the copy takes until it is waited for"
    copies = [name for name in cuda.journal() if name.startswith("cuMemcpy")]
    assert copies == ([] if integrated else ["cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2"])
    assert buffer.mapped is integrated
    device.close()


@pytest.mark.parametrize(
    "wrong", [np.zeros((5, 7), np.uint8), np.zeros((7, 5, 3), np.uint8), np.zeros(SHAPE, np.int8), np.zeros(SHAPE)]
)
def test_another_shape_or_dtype_is_not_copied(cuda: FakeCuda, wrong: np.ndarray) -> None:
    device = Device()
    buffer = device.call(lambda: device.buffer(SHAPE, np.uint8))
    with pytest.raises(FrameError, match=r"takes uint8 \[5, 7, 3\], got"):
        buffer.write(wrong)
    strided = np.arange(210, dtype=np.uint8).reshape(5, 14, 3)[:, ::-2]
    buffer.write(strided)
    assert np.array_equal(buffer.host, strided)
    assert buffer.host.flags.c_contiguous
    device.call(buffer.free)
    device.close()


def test_out_of_memory_is_one_clear_error_and_leaves_nothing(cuda: FakeCuda) -> None:
    cuda.set("memory", 1000)
    device = Device()
    with pytest.raises(GpuError, match=r"out of GPU memory \(cuMemAlloc.*\): close other programs") as caught:
        device.call(lambda: device.buffer((1001,), np.uint8))
    assert "\n" not in str(caught.value)
    assert cuda.held() == {"contexts": 1}, "the page-locked side was freed again"
    memory = device.call(lambda: device.device_memory(1000))
    assert device.call(device.memory_mib) == (0, 0)
    device.call(memory.free)
    device.close()


@pytest.mark.parametrize("broken", ["driver too old", "cut off"])
def test_a_driver_that_refuses_the_kernels_is_said(
    cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broken: str
) -> None:
    if broken == "driver too old":
        cuda.set("newest_ptx", 84)
    else:
        (tmp_path / "kernels.ptx").write_bytes(PTX.read_bytes()[:200])
        monkeypatch.setattr("edgeunet.runtime.gpu.cuda.PTX", tmp_path / "kernels.ptx")
    device = Device()
    with pytest.raises(GpuError, match=r"refuses the CUDA kernels \(.*PTX.*\): they need a driver of CUDA 12\.5"):
        device.call(device.load_kernels)
    device.close()


class TestGraph:
    """A graph of one kernel, argmax of two channels."""

    def test_it_is_captured_without_running_and_runs_at_each_launch(self, cuda: FakeCuda) -> None:
        device = Device()

        def work() -> list[list[int]]:
            driver, stream = Driver(), device.stream()
            logits, mask = device.buffer((2, 4), np.float32), device.buffer((4,), np.uint8)
            timeline = Timeline(driver, 2)

            def enqueue() -> None:
                timeline.mark(0, stream.handle, captured=True)
                logits.upload(stream)
                arguments = (logits.address, mask.address, 2, 4)
                device.launch(ARGMAX, ARGMAX.grid(4), arguments, stream)
                mask.download(stream)
                timeline.mark(1, stream.handle, captured=True)

            graph, masks = CudaGraph(driver, stream.handle, enqueue), []
            mask.host[:] = 9
            stream.synchronize()
            masks.append(mask.host.tolist())
            for values in ([[0, 1, 2, 3], [3, 2, 1, 0]], [[1, 1, 0, 0], [0, 2, 0, 1]]):
                logits.host[:] = values
                graph.launch(stream.handle)
                stream.synchronize()
                masks.append(mask.host.tolist())
                assert timeline.durations_ns()[0] >= 1
            for thing in (graph, timeline, logits, mask, stream):
                thing.free()
            graph.free()
            return masks

        assert device.call(work) == [[9, 9, 9, 9], [1, 1, 0, 0], [0, 1, 0, 1]]
        device.close()

    @pytest.mark.parametrize("refusal", ["the driver's", "the caller's"])
    def test_a_refused_capture_leaves_the_stream_as_it_was(self, cuda: FakeCuda, refusal: str) -> None:
        device = Device()
        cuda.set("refuse_capture", int(refusal == "the driver's"))

        def work() -> None:
            driver, stream, buffer = Driver(), device.stream(), device.buffer((4,), np.uint8)

            def enqueue() -> None:
                buffer.upload(stream)
                raise GpuError("not this")

            with pytest.raises((GpuError, *device.failures), match=r"not this|capturing"):
                CudaGraph(driver, stream.handle, enqueue)
            buffer.upload(stream)
            stream.synchronize()
            buffer.free()
            stream.free()

        device.call(work)
        device.close()
        assert "cuStreamEndCapture" in cuda.journal()

    def test_while_a_thread_captures_another_may_take_memory_and_nobody_else_end_it(self, cuda: FakeCuda) -> None:
        device, other = Device(), Device()

        def work() -> None:
            driver, stream = Driver(), device.stream()

            def enqueue() -> None:
                other.call(other.call(lambda: other.device_memory(1)).free)
                with pytest.raises(GpuError, match="captured by another thread"):
                    other.call(lambda: driver.call("cuStreamEndCapture", stream.handle, ctypes.c_void_p()))

            def take() -> None:
                device.device_memory(1)

            CudaGraph(driver, stream.handle, enqueue).free()
            with pytest.raises(device.failures, match="when stream is capturing"):
                CudaGraph(driver, stream.handle, take)
            stream.free()

        device.call(work)
        other.close()
        device.close()

    def test_times_cannot_be_read_too_early(self, cuda: FakeCuda) -> None:
        device = Device()

        def work() -> None:
            driver, stream = Driver(), device.stream()
            timeline = Timeline(driver, 2)
            for mark in (0, 1):
                timeline.mark(mark, stream.handle, captured=False)
            with pytest.raises(GpuError, match=r"cuEventElapsedTime failed: device not ready \(600\)"):
                timeline.durations_ns()
            stream.synchronize()
            assert len(timeline.durations_ns()) == 1
            timeline.free()
            stream.free()

        device.call(work)
        device.close()
