"""What only a GPU can answer, a line each: how errors, captures and contexts behave, and what things cost.

`python -m tests.gpu.probe`, from the root of the checkout. What may end a process runs in one of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial

import numpy as np

from edgeunet.errors import UsageError
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.runtime.gpu.cuda import Device
from edgeunet.runtime.gpu.cuda_graph import CudaGraph, Timeline
from edgeunet.runtime.gpu.kernels import ARGMAX, FIT, fit_arguments
from edgeunet.runtime.gpu.libcuda import Driver
from edgeunet.spec import BGR
from tests.gpu.test_buffers import Fit, noise
from tests.models import toy_spec
from tests.runtime.gpu import reference

FAKE = "EDGEUNET_FAKE_GPU" in os.environ
"""The tests' fake driver: its times mean nothing, and an illegal address ends the process."""
SIZES = [  # camera (height, width), network (height, width)
    ((256, 320), (256, 320)),
    ((480, 640), (256, 320)),
    ((720, 1280), (256, 320)),
    ((1080, 1920), (368, 480)),
]


def say(what: str, answer: str) -> None:
    print(f"{what:<44} {answer}", flush=True)


def attempt(what: str, function: Callable[[], object]) -> None:
    """Say what a function gives or raises."""
    try:
        say(what, str(function()))
    except Exception as error:  # noqa: BLE001  its type and text are the answer
        say(what, f"{type(error).__module__}.{type(error).__name__}: {str(error)[:200]}")


def timed(function: Callable[[], object], count: int = 2000) -> str:
    """Quantiles of a call's time in µs."""
    times_us = []
    for _ in range(3 if FAKE else count):
        begin = time.perf_counter_ns()
        function()
        times_us.append((time.perf_counter_ns() - begin) / 1e3)
    return f"p50 {np.median(times_us):.1f} µs, p99 {np.quantile(times_us, 0.99):.1f} µs"


def illegal_address() -> None:
    """What is raised, whether close() raises, and whether this process can open the GPU again."""
    device = Device()

    def work() -> str:
        stream = device.stream()
        device.launch(ARGMAX, (1, 1, 1), (16, 16, 3, 256), stream)
        stream.synchronize()
        return "not refused"

    attempt("an illegal address", lambda: device.call(work))
    attempt("close() after it", device.close)
    attempt("another Device after it", lambda: Device().close())


def exit_while_busy() -> None:
    """A program that ends while its threads use the GPU."""
    device = Device()

    def work() -> None:
        with suppress(UsageError):  # released, since the program ends
            while True:
                device.call(lambda: time.sleep(0.001))

    for _ in range(4):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(0.2)


def torch_beside() -> None:
    """PyTorch and a Device share the primary context; neither may take it from the other."""
    import torch

    numbers = torch.ones(1000, device="cuda")
    device = Device()
    device.call(device.load_kernels)
    device.close()
    say("PyTorch after a Device was closed", f"computes {float((numbers * 2).sum())}")


def capture_beside(what: str, other: Callable[[Device], object]) -> None:
    """A capture in one thread while another does something in the same context."""
    capturing, done = threading.Event(), threading.Event()
    one, two = Device(), Device()

    def beside() -> None:
        capturing.wait(10)
        attempt(f"while capturing, {what}", lambda: two.call(lambda: other(two)) or "allowed")
        done.set()

    def capture() -> str:
        with ExitStack() as held:
            fit = Fit(one, held)
            fit.enqueue(captured=False)
            fit.stream.synchronize()

            def enqueue() -> None:
                fit.enqueue(captured=True)
                capturing.set()
                done.wait(10)

            graph = CudaGraph(Driver(), fit.stream.handle, enqueue)
            held.callback(graph.free)
            graph.launch(fit.stream.handle)
            fit.stream.synchronize()
        return "whole"

    thread = threading.Thread(target=beside)
    thread.start()
    attempt("  the capture", lambda: one.call(capture))
    capturing.set()
    thread.join()
    one.close()
    two.close()


def allocate(device: Device) -> None:
    device.device_memory(1 << 20).free()


def allocate_on_host(device: Device) -> None:
    device.buffer((1 << 20,), np.uint8).free()


def mapped_buffers() -> None:
    """The path of a Jetson on this GPU: for what comes back, the same memory for both sides."""
    device = Device()
    device.gpu = replace(device.gpu, integrated=True)

    def work() -> str:
        with ExitStack() as held:
            fit = Fit(device, held)
            graph = fit.capture(held)
            fit.frame.write(noise(1))
            graph.launch(fit.stream.handle)
            fit.stream.synchronize()
            right = np.array_equal(fit.out.host, reference.fit(noise(1), fit.letterbox))
            return f"{'right' if right else 'WRONG'}, {fit.timeline.durations_ns()[0] / 1e3:.1f} µs on the GPU"

    attempt("mapped buffers, as on a Jetson", lambda: device.call(work))
    device.close()


def costs() -> None:
    say("Device() and close()", timed(lambda: Device().close(), 20))
    device = Device()
    say("a call to the owner's thread and back", timed(lambda: device.call(lambda: None)))

    def work() -> None:
        with ExitStack() as held:
            fit = Fit(device, held)
            graph = fit.capture(held)

            def replay() -> None:
                graph.launch(fit.stream.handle)
                fit.stream.synchronize()

            def call_by_call() -> None:
                fit.enqueue(captured=False)
                fit.stream.synchronize()

            say("copy, fit, copy: a graph's launch and wait", timed(replay))
            say("copy, fit, copy: call by call", timed(call_by_call))
            say("the time between two events, read", timed(fit.timeline.durations_ns))

    def another_size() -> None:
        with ExitStack() as held:
            Fit(device, held).capture(held)

    device.call(work)
    say("everything made again for another frame size", timed(lambda: device.call(another_size), 200))
    device.close()


def fit_times() -> None:
    device = Device()
    for frame, network in SIZES:

        def work(frame: tuple[int, int] = frame, network: tuple[int, int] = network) -> str:
            with ExitStack() as held:
                stream, timeline = device.stream(), Timeline(Driver(), 2)
                source, out = device.buffer((*frame, 3), np.uint8), device.buffer((*network, 3), np.uint8)
                for thing in (stream, source, out, timeline):
                    held.callback(thing.free)
                source.upload(stream)
                arguments = fit_arguments(Letterbox.of(frame, toy_spec(network)), source.address, out.address)
                times_us = []
                for _ in range(3 if FAKE else 300):
                    timeline.mark(0, stream.handle, captured=False)
                    device.launch(FIT[BGR], FIT[BGR].grid(network[1], network[0]), arguments, stream)
                    timeline.mark(1, stream.handle, captured=False)
                    stream.synchronize()
                    times_us.append(timeline.durations_ns()[0] / 1e3)
                return f"{np.median(times_us):.1f} µs"

        attempt(f"fit {frame[1]}×{frame[0]} to {network[1]}×{network[0]}", partial(device.call, work))
    device.close()


ALONE = {function.__name__: function for function in (illegal_address, exit_while_busy, torch_beside)}


def main() -> None:
    mapped_buffers()
    costs()
    fit_times()
    capture_beside("memory is allocated", allocate)
    capture_beside("page-locked memory is allocated", allocate_on_host)
    capture_beside("kernels are loaded", lambda device: device.load_kernels())
    for name in ("exit_while_busy",) if FAKE else ALONE:
        ended = subprocess.run([sys.executable, "-m", "tests.gpu.probe", name], timeout=60, check=False)
        say(f"{name.replace('_', ' ')}: exit code", f"{ended.returncode} (-6: abort, -11: segmentation fault)")


if __name__ == "__main__":
    ALONE[sys.argv[1]]() if len(sys.argv) > 1 else main()
