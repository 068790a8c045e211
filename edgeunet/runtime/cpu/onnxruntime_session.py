"""The session on ONNX Runtime: the embedded default on any machine without TensorRT."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeunet.board.machine import physical_cores
from edgeunet.errors import UsageError
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.imaging.pixels import Pixels
from edgeunet.runtime.cpu.onnxruntime_model import OrtModel, onnxruntime
from edgeunet.runtime.model_metadata import loadable, read_spec
from edgeunet.runtime.session import Prediction, Session
from edgeunet.spec import ModelSpec


class OnnxRuntimeSession(Session):
    """Runs a .onnx file on the CPU.

    With one frame in flight it is set for latency: all physical cores work on that frame, one operator
    after another. With several each gets its share of the cores: more frames per second, each later.
    Input and output are bound once to buffers that stay; the only allocation for each frame is the mask that
    the caller keeps. A model of dynamic batch takes lists of up to `batch` frames.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None, in_flight: int = 1, batch: int = 1) -> None:
        """Open the model; raises ModelFileError if it is damaged or has no spec."""
        if in_flight < 1:
            raise UsageError(f"in_flight must be at least 1, got {in_flight}")
        ort = onnxruntime()
        super().__init__(read_spec(path))
        self.capacity = in_flight
        self._threads = threads or max(1, physical_cores() // in_flight)
        # Idle threads that spin take the cores from camera and encoder. Measured without spinning, with nano, 256×320,
        # on 2 cores: one frame alone takes 3.6 % longer (23.7 ms), the camera loop makes 12 % more frames per second,
        # and next to other busy processes one frame takes 57 ms instead of 96.
        self._model = OrtModel(loadable(Path(path)), origin=str(path), threads=self._threads, spins=False)
        session = self._model.session
        self._version: str = ort.__version__
        if self.spec.tiles == (1, 1) and not isinstance(session.get_inputs()[0].shape[0], int):
            self.max_batch = batch
        self._free = deque(_Slot(ort, session, self.spec, self.max_batch) for _ in range(in_flight))
        self._busy: deque[tuple[_Slot, _BoundBuffers, Callable[[], int]]] = deque()  # with what waits for its inference
        self._workers = ThreadPoolExecutor(in_flight, thread_name_prefix="edgeunet-onnxruntime")

    def describe(self) -> dict[str, str]:
        return {
            "backend": "onnxruntime",
            "version": self._version,
            "device": "cpu",
            "threads": str(self._threads),
            "in_flight": str(self.capacity),
        }

    def _submit(self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]) -> None:
        slot = self._free[0]
        buffers = slot.bound(len(frames))
        for frame, letterbox, place in zip(frames, letterboxes, buffers.arrays["frame"], strict=True):
            letterbox.fit(frame, out=place)
        self._free.popleft()
        if self.capacity == 1:  # in the caller's own thread: changing threads costs 0.1 ms
            self._busy.append((slot, buffers, partial(self._infer, buffers)))
        else:
            self._busy.append((slot, buffers, self._workers.submit(self._infer, buffers).result))

    def _infer(self, buffers: _BoundBuffers) -> int:
        begin = time.perf_counter_ns()
        self._model.run_bound(buffers.binding)
        return time.perf_counter_ns() - begin

    def _result(self) -> tuple[Sequence[Prediction], dict[str, int]]:
        slot, buffers, inference = self._busy.popleft()
        try:
            infer_ns = inference()
            return buffers.predictions(), {"infer": infer_ns}
        finally:
            self._free.append(slot)

    def _close(self) -> None:
        self._workers.shutdown()
        self._free.clear()
        self._busy.clear()
        del self._model


class _Slot:
    """The buffers of one call of submit(), bound for as many frames as come."""

    def __init__(self, ort: Any, session: Any, spec: ModelSpec, most: int) -> None:
        """most: frames."""
        self._ort, self._session = ort, session
        self._arrays = _allocate(most, spec, session)
        self._bound: dict[int, _BoundBuffers] = {}

    def bound(self, count: int) -> _BoundBuffers:
        """The first `count` places."""
        if count not in self._bound:
            arrays = {name: array[:count] for name, array in self._arrays.items()}
            self._bound[count] = _BoundBuffers(self._ort, self._session, arrays)
        return self._bound[count]


_Arrays = dict[str, NDArray[Any]]


def _allocate(frames: int, spec: ModelSpec, session: Any) -> _Arrays:
    """For each tensor that a session reads or gives, by its name: [frames, …]."""
    types = {output.name: output.type for output in session.get_outputs()}
    arrays: _Arrays = {
        "frame": np.empty((frames, *spec.frame_shape), np.uint8),
        "mask": np.empty((frames, *spec.input_size), np.uint8),
    }
    if "confidence" in types:
        arrays["confidence"] = np.empty((frames, *spec.input_size), np.uint8)
    if "familiarity" in types:
        arrays["familiarity"] = np.empty(frames, np.float32)
    if "logits" in types and spec.tiles != (1, 1):
        dtype = np.float16 if types["logits"] == "tensor(float16)" else np.float32
        arrays["logits"] = np.empty((frames, spec.logits, *spec.input_size), dtype)
    return arrays


class _BoundBuffers:
    """The buffers of what runs in one call, bound to the model. arrays: of _allocate()."""

    def __init__(self, ort: Any, session: Any, arrays: _Arrays) -> None:
        self.arrays = arrays
        self.binding = session.io_binding()
        # An OrtValue made from a numpy array shares its memory, and a binding does not keep it alive.
        self._values = {name: ort.OrtValue.ortvalue_from_numpy(array) for name, array in arrays.items()}
        for name, value in self._values.items():
            bind = self.binding.bind_ortvalue_input if name == "frame" else self.binding.bind_ortvalue_output
            bind(name, value)

    def predictions(self) -> list[Prediction]:
        """Of each frame."""
        outputs = {name: array for name, array in self.arrays.items() if name != "frame"}
        return [
            Prediction.of({name: array[index] for name, array in outputs.items()})
            for index in range(len(outputs["mask"]))
        ]
