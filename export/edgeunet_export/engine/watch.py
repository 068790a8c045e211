"""Objects that TensorRT calls while it builds: a progress monitor, and a calibrator that has only a table.

The classes derive from classes of the bindings, so each is made from the module. No exception may leave their
methods: the bindings catch it, and what it means to TensorRT differs.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress


def progress_monitor(trt: Any, bar: Progress) -> Any:
    """A monitor that shows each running phase; the build ends at its next step once `interrupted` is set."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.interrupted = False
            self._phases: dict[str, tuple[Any, int]] = {}  # name: (task, depth)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            depth = self._phases[parent_phase][1] + 1 if parent_phase in self._phases else 0
            task = bar.add_task("  " * depth + phase_name, total=num_steps, note="")
            self._phases[phase_name] = task, depth

        def step_complete(self, phase_name: str, step: int) -> bool:
            if phase_name in self._phases:
                bar.update(self._phases[phase_name][0], completed=step + 1)
            return not self.interrupted

        def phase_finish(self, phase_name: str) -> None:
            if phase_name in self._phases:
                bar.remove_task(self._phases.pop(phase_name)[0])

    return Monitor()


@contextmanager
def interruptible(monitor: Any) -> Iterator[None]:
    """Let Ctrl-C end the build through its monitor; KeyboardInterrupt is raised when the build has ended."""

    def interrupt(number: int, frame: Any) -> None:
        monitor.interrupted = True

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if monitor.interrupted:
            raise KeyboardInterrupt


def table_reader(trt: Any, table: bytes) -> Any:
    """A calibrator (TensorRT 10) that knows the ranges and has no images."""

    class TableReader(trt.IInt8EntropyCalibrator2):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IInt8EntropyCalibrator2.__init__(self)

        def get_batch_size(self) -> int:
            return 1

        def get_batch(self, names: list[str]) -> None:
            return None

        def read_calibration_cache(self) -> bytes:
            return table

        def write_calibration_cache(self, cache: bytes) -> None:
            pass

    return TableReader()
