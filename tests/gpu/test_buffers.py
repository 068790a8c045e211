"""Context, memory, streams and graphs on the GPU, without TensorRT."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pytest

from edgeunet.errors import GpuError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.runtime.gpu.cuda import Device, Stream
from edgeunet.runtime.gpu.cuda_graph import CudaGraph, Timeline
from edgeunet.runtime.gpu.kernels import FIT, fit_arguments
from edgeunet.runtime.gpu.libcuda import Driver
from edgeunet.spec import BGR
from tests.gpu.memory import Memory
from tests.models import toy_spec
from tests.runtime.gpu import reference

pytestmark = pytest.mark.usefixtures("cuda_provider")
FRAME, NETWORK = (480, 640), (256, 320)


@pytest.fixture
def device() -> Iterator[Device]:
    opened = Device()
    yield opened
    opened.close()


def noise(number: int) -> UInt8:
    return np.random.default_rng(number).integers(0, 256, (*FRAME, 3), dtype=np.uint8)


class Fit:
    """A frame up, fitted, and down again, on a stream of its own; for the device's owner."""

    def __init__(self, device: Device, held: ExitStack) -> None:
        self._device = device
        self.letterbox = Letterbox.of(FRAME, toy_spec(NETWORK))
        self.stream: Stream = device.stream()
        self.frame = device.buffer((*FRAME, 3), np.uint8)
        self.out = device.buffer((*NETWORK, 3), np.uint8, mapped=device.gpu.integrated)
        self.timeline = Timeline(Driver(), 2)
        for thing in (self.stream, self.frame, self.out, self.timeline):
            held.callback(thing.free)
        self._arguments = fit_arguments(self.letterbox, self.frame.address, self.out.address)

    def enqueue(self, *, captured: bool) -> None:
        self.timeline.mark(0, self.stream.handle, captured=captured)
        self.frame.upload(self.stream)
        kernel = FIT[BGR]
        self._device.launch(kernel, kernel.grid(NETWORK[1], NETWORK[0]), self._arguments, self.stream)
        self.out.download(self.stream)
        self.timeline.mark(1, self.stream.handle, captured=captured)

    def capture(self, held: ExitStack) -> CudaGraph:
        self.enqueue(captured=False)
        self.stream.synchronize()
        graph = CudaGraph(Driver(), self.stream.handle, lambda: self.enqueue(captured=True))
        held.callback(graph.free)
        return graph


def test_a_replayed_graph_gives_what_plain_work_gives(device: Device) -> None:
    def work() -> None:
        with ExitStack() as held:
            fit = Fit(device, held)
            graph = fit.capture(held)
            for number in range(20):
                frame = noise(number)
                fit.frame.write(frame)
                fit.enqueue(captured=False)
                fit.stream.synchronize()
                plain = fit.out.host.copy()
                fit.out.host[:] = 0
                graph.launch(fit.stream.handle)
                fit.stream.synchronize()
                assert np.array_equal(fit.out.host, plain)
                assert np.array_equal(plain, reference.fit(frame, fit.letterbox))
                assert 0 < fit.timeline.durations_ns()[0] < 1_000_000_000

    device.call(work)


def test_streams_do_not_disturb_each_other(device: Device) -> None:
    def work() -> None:
        with ExitStack() as held:
            fits = [Fit(device, held) for _ in range(3)]
            graphs = [fit.capture(held) for fit in fits]
            for number in range(20):
                for k, (fit, graph) in enumerate(zip(fits, graphs, strict=True)):
                    fit.frame.write(noise(10 * number + k))
                    graph.launch(fit.stream.handle)
                for k, fit in enumerate(fits):
                    fit.stream.synchronize()
                    assert np.array_equal(fit.out.host, reference.fit(noise(10 * number + k), fit.letterbox))

    device.call(work)


def test_a_thread_may_capture_while_another_allocates() -> None:
    stop = threading.Event()

    def allocate() -> int:
        device, count = Device(), 0
        try:
            while not stop.is_set():
                device.call(device.call(lambda: device.device_memory(1 << 20)).free)
                count += 1
        finally:
            device.close()
        return count

    def capture() -> None:
        device = Device()

        def work() -> None:
            with ExitStack() as held:
                fit = Fit(device, held)
                for _ in range(50):
                    fit.capture(held)

        try:
            device.call(work)
        finally:
            device.close()
            stop.set()

    with ThreadPoolExecutor(2) as pool:
        allocated = pool.submit(allocate)
        pool.submit(capture).result()
        assert allocated.result() > 0


def test_more_memory_than_there_is_is_one_error_and_leaves_the_device_usable(device: Device) -> None:
    _, total = device.call(device.memory_mib)
    with pytest.raises(GpuError, match="out of GPU memory"):
        device.call(lambda: device.device_memory((total + 1) << 20))
    memory = device.call(lambda: device.device_memory(1 << 20))
    device.call(memory.free)


def test_ten_thousand_frames_take_no_memory(device: Device) -> None:
    def work() -> None:
        with ExitStack() as held:
            fit = Fit(device, held)
            graph, frame = fit.capture(held), noise(0)
            memory = Memory()
            for count in range(10_000):
                fit.frame.write(frame)
                graph.launch(fit.stream.handle)
                fit.stream.synchronize()
                fit.timeline.durations_ns()
                memory.look(count, device)
            memory.require_flat()

    device.call(work)


BUSY = """
import sys, threading, time
from edgeunet.runtime.gpu.cuda import Device

if {without_pycuda}:
    sys.modules["pycuda"] = None
device, started = Device(), threading.Event()
threading.Thread(target=lambda: device.call(lambda: (started.set(), time.sleep(0.5))), daemon=True).start()
started.wait()
"""


def test_a_program_may_end_while_a_device_works() -> None:
    """pycuda ends the process with 134 if the owner is stopped with its context on the stack."""
    program = BUSY.format(without_pycuda=sys.modules.get("pycuda", "not yet imported") is None)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.timeout(180)
def test_eight_threads_open_and_close_devices_for_twenty_seconds() -> None:
    end = time.monotonic() + 20

    def work(thread: int) -> int:
        rounds = 0
        while time.monotonic() < end:
            device = Device()
            try:

                def fit_one(device: Device = device, number: int = thread + 8 * rounds) -> None:
                    with ExitStack() as held:
                        fit = Fit(device, held)
                        fit.frame.write(noise(number))
                        fit.enqueue(captured=False)
                        fit.stream.synchronize()
                        assert np.array_equal(fit.out.host, reference.fit(noise(number), fit.letterbox))

                device.call(fit_one)
            finally:
                device.close()
            rounds += 1
        return rounds

    with ThreadPoolExecutor(8) as pool:
        assert min(pool.map(work, range(8))) > 0
