"""What pycuda lacks, through ctypes on the driver: CUDA graphs, and events that are part of a graph.

A graph is a stream's work, recorded once and started as a whole: one call for each frame instead of one for each
kernel. CUDA Driver API, sections 6.13 (streams), 6.14 (events) and 6.24 (graphs).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from edgeunet.errors import GpuError
from edgeunet.runtime.gpu.libcuda import Driver

THREAD_LOCAL = 1  # CU_STREAM_CAPTURE_MODE: other threads may allocate meanwhile
EXTERNAL = 1  # CU_EVENT_RECORD: a node of the graph, which stamps the time at each launch


class Timeline:
    """Marks in a stream, and the time between them on the GPU (resolution about 0.5 µs)."""

    def __init__(self, driver: Driver, marks: int) -> None:
        self._driver = driver
        self._events: list[ctypes.c_void_p] = []
        for _ in range(marks):
            event = ctypes.c_void_p()
            driver.call("cuEventCreate", ctypes.byref(event), 0)
            self._events.append(event)

    def mark(self, index: int, stream: int, *, captured: bool) -> None:
        """Put mark `index` into the stream, which is being captured or not."""
        if captured:
            self._driver.call("cuEventRecordWithFlags", self._events[index], stream, EXTERNAL)
        else:
            self._driver.call("cuEventRecord", self._events[index], stream)

    def durations_ns(self) -> list[int]:
        """From each mark to the next, at least 1; the stream must have passed all of them."""
        elapsed, durations = ctypes.c_float(), []
        for before, after in zip(self._events, self._events[1:], strict=False):
            self._driver.call("cuEventElapsedTime", ctypes.byref(elapsed), before, after)
            durations.append(max(1, round(elapsed.value * 1e6)))
        return durations

    def free(self) -> None:
        while self._events:
            self._driver.clean_up("cuEventDestroy_v2", self._events.pop())


class CudaGraph:
    """The work that `enqueue` puts into a stream, captured instead of run; the addresses in it must stay as they are.

    stream: its handle; not the default stream, and nothing in it is running.
    Raises GpuError if the driver refuses any of the work; the stream stays usable.
    """

    def __init__(self, driver: Driver, stream: int, enqueue: Callable[[], None]) -> None:
        self._driver = driver
        self._executable = ctypes.c_void_p()
        graph = ctypes.c_void_p()
        driver.call("cuStreamBeginCapture_v2", stream, THREAD_LOCAL)
        try:
            enqueue()
        except BaseException:
            self._abandon(stream)
            raise
        driver.call("cuStreamEndCapture", stream, ctypes.byref(graph))
        try:
            driver.call("cuGraphInstantiateWithFlags", ctypes.byref(self._executable), graph, 0)
        finally:
            driver.clean_up("cuGraphDestroy", graph)

    def launch(self, stream: int) -> None:
        """Start all of it."""
        self._driver.call("cuGraphLaunch", self._executable, stream)

    def free(self) -> None:
        if self._executable:
            self._driver.clean_up("cuGraphExecDestroy", self._executable)
            self._executable = ctypes.c_void_p()

    def _abandon(self, stream: int) -> None:
        graph = ctypes.c_void_p()
        try:
            self._driver.call("cuStreamEndCapture", stream, ctypes.byref(graph))
        except GpuError:
            return  # a capture that became invalid ends with an error and without a graph
        if graph:
            self._driver.clean_up("cuGraphDestroy", graph)
