"""The session on ONNX Runtime: the embedded default on any machine without TensorRT."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgeunet.board.machine import physical_cores
from edgeunet.errors import ModelFileError, UsageError
from edgeunet.frames import Fitting, UInt8
from edgeunet.parts import missing
from edgeunet.runtime.contract import require_tensors, spec_of
from edgeunet.runtime.session import Session


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise missing("onnxruntime") from error
    return onnxruntime


class OnnxRuntimeSession(Session):
    """Runs a .onnx file on the CPU.

    With one frame in flight it is set for latency: all physical cores work on that frame, one operator
    after another. With several each gets its share of the cores: more frames a second, each later.
    Input and output are bound once to buffers that stay; the one allocation left for each frame is the
    mask that the caller keeps.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None, in_flight: int = 1) -> None:
        """Open the model; raises ModelFileError if it is damaged or without a spec."""
        if in_flight < 1:
            raise UsageError(f"at least 1 frame is in flight, got {in_flight}")
        ort = _onnxruntime()
        self.capacity = in_flight
        self._threads = threads or max(1, physical_cores() // in_flight)
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3  # errors only; they come as exceptions too
        # Idle threads that spin take the cores from camera and encoder. Measured with nano, 256×320, on 2 cores: one
        # frame alone takes 3.6 % longer without (23.7 ms), the camera loop makes 12 % more frames a second; beside
        # other busy processes one frame takes 57 ms instead of 96.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                str(path),
                options,
                providers=["CPUExecutionProvider"],
                # It would quantise the float biases: 1.4 % off an exact simulation with it, 0.44 % without.
                disabled_optimizers=["WeightBiasQuantization"],
            )
        except Exception as error:  # ONNX Runtime raises bare pybind classes, a new one for each cause
            reason = " ".join(str(error).split())[:160]
            raise ModelFileError(f"{path} is not a model that ONNX Runtime can load: {reason}") from error
        super().__init__(spec_of(Path(path), self._session.get_modelmeta().custom_metadata_map))
        tensors = (*self._session.get_inputs(), *self._session.get_outputs())
        require_tensors(Path(path), {t.name: t.type.removeprefix("tensor(").removesuffix(")") for t in tensors})
        self._version: str = ort.__version__
        self._free = deque(_Slot(ort, self._session, self.spec.input_size) for _ in range(in_flight))
        self._busy: deque[tuple[_Slot, Callable[[], int]]] = deque()  # and what waits for its inference
        self._workers = ThreadPoolExecutor(in_flight, thread_name_prefix="edgeunet-onnxruntime")

    def describe(self) -> dict[str, str]:
        return {
            "backend": "onnxruntime",
            "version": self._version,
            "device": "cpu",
            "threads": str(self._threads),
            "in_flight": str(self.capacity),
        }

    def _submit(self, frame: UInt8, fitting: Fitting) -> None:
        slot = self._free.popleft()
        fitting.fit(frame, out=slot.input[0])
        if self.capacity == 1:  # the caller's own thread does it: a change of threads costs 0.1 ms
            self._busy.append((slot, partial(self._infer, slot)))
        else:
            self._busy.append((slot, self._workers.submit(self._infer, slot).result))

    def _infer(self, slot: _Slot) -> int:
        begin = time.perf_counter_ns()
        self._session.run_with_iobinding(slot.binding)
        return time.perf_counter_ns() - begin

    def _result(self) -> tuple[UInt8, dict[str, int]]:
        slot, inference = self._busy.popleft()
        try:
            infer_ns = inference()
            return slot.output[0].copy(), {"infer": infer_ns}
        finally:
            self._free.append(slot)

    def _close(self) -> None:
        self._workers.shutdown()
        self._free.clear()
        self._busy.clear()
        del self._session


class _Slot:
    """The buffers of one frame in flight, bound to the model."""

    def __init__(self, ort: Any, session: Any, size: tuple[int, int]) -> None:
        self.input = np.empty((1, *size, 3), np.uint8)
        self.output = np.empty((1, *size), np.uint8)
        # An OrtValue made from a numpy array shares its memory, and a binding does not keep it alive.
        self._values = [ort.OrtValue.ortvalue_from_numpy(a) for a in (self.input, self.output)]
        self.binding = session.io_binding()
        self.binding.bind_ortvalue_input("frame", self._values[0])
        self.binding.bind_ortvalue_output("mask", self._values[1])
