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
from numpy.typing import NDArray

from edgeunet.board.machine import physical_cores
from edgeunet.errors import UsageError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels
from edgeunet.runtime.cpu.onnxruntime_model import OrtModel, onnxruntime
from edgeunet.runtime.model_metadata import loadable, read_spec
from edgeunet.runtime.session import Further, Session
from edgeunet.spec import ModelSpec


class OnnxRuntimeSession(Session):
    """Runs a .onnx file on the CPU.

    With one frame in flight it is set for latency: all physical cores work on that frame, one operator
    after another. With several each gets its share of the cores: more frames per second, each later.
    Input and output are bound once to buffers that stay; the only allocation for each frame is the mask that
    the caller keeps. A model of dynamic batch runs up to `batch` frames as one.
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
        self._batch: _Batch | None = None
        if batch > 1 and self.spec.tiles == (1, 1) and not isinstance(session.get_inputs()[0].shape[0], int):
            self._batch = _Batch(ort, session, self.spec, batch)
            self.capacity, self.batched = batch, True
        self._free = deque(_BoundBuffers(ort, session, _allocate(1, self.spec, session)) for _ in range(in_flight))
        self._latest = Further()
        self._busy: deque[tuple[_BoundBuffers, Callable[[], int]]] = deque()  # with what waits for its inference
        self._workers = ThreadPoolExecutor(in_flight, thread_name_prefix="edgeunet-onnxruntime")

    def describe(self) -> dict[str, str]:
        return {
            "backend": "onnxruntime",
            "version": self._version,
            "device": "cpu",
            "threads": str(self._threads),
            "in_flight": str(self.capacity),
        }

    def _submit(self, frame: Pixels, letterbox: Letterbox) -> None:
        if self._batch is not None:
            letterbox.fit(frame, out=self._batch.next_input())
            return
        buffers = self._free.popleft()
        letterbox.fit(frame, out=buffers.arrays["frame"][0])
        if self.capacity == 1:  # in the caller's own thread: changing threads costs 0.1 ms
            self._busy.append((buffers, partial(self._infer, buffers)))
        else:
            self._busy.append((buffers, self._workers.submit(self._infer, buffers).result))

    def _infer(self, buffers: _BoundBuffers) -> int:
        begin = time.perf_counter_ns()
        self._model.run_bound(buffers.binding)
        return time.perf_counter_ns() - begin

    def _result(self) -> tuple[UInt8, dict[str, int]]:
        if self._batch is not None:
            mask, self._latest, infer_ns = self._batch.result(self._infer)
            return mask, {"infer": infer_ns}
        buffers, inference = self._busy.popleft()
        try:
            infer_ns = inference()
            mask, self._latest = buffers.outputs(0)
            return mask, {"infer": infer_ns}
        finally:
            self._free.append(buffers)

    def _further(self) -> Further:
        return self._latest

    def _close(self) -> None:
        self._workers.shutdown()
        self._free.clear()
        self._busy.clear()
        del self._model


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

    def outputs(self, index: int) -> tuple[UInt8, Further]:
        """The mask and the other outputs of one of the frames; they are the caller's."""
        of_frame = {name: array[index] for name, array in self.arrays.items()}
        logits, confidence, familiarity = (of_frame.get(name) for name in Further._fields)
        further = Further(
            None if logits is None else logits.astype(np.float32),
            None if confidence is None else confidence.copy(),
            None if familiarity is None else float(familiarity),
        )
        return of_frame["mask"].copy(), further


class _Batch:
    """Frames that run together: those that are submitted before the first result is taken."""

    def __init__(self, ort: Any, session: Any, spec: ModelSpec, most: int) -> None:
        arrays = _allocate(most, spec, session)
        self._input: UInt8 = arrays["frame"]
        self._buffers = [
            _BoundBuffers(ort, session, {name: array[:n] for name, array in arrays.items()}) for n in range(1, most + 1)
        ]
        self._count = 0  # of frames that wait
        self._results: deque[tuple[UInt8, Further, int] | Exception] = deque()

    def next_input(self) -> UInt8:
        """Where the next frame goes: uint8 [H, W, channels]."""
        place: UInt8 = self._input[self._count]
        self._count += 1
        return place

    def result(self, infer: Callable[[_BoundBuffers], int]) -> tuple[UInt8, Further, int]:
        """The next frame's mask and other outputs, and how many ns its whole batch took; raises what that raised."""
        if not self._results:
            count, self._count = self._count, 0
            buffers = self._buffers[count - 1]
            try:
                infer_ns = infer(buffers)
            except Exception as error:  # noqa: BLE001 - every frame of the batch has failed
                self._results.extend([error] * count)
            else:
                self._results.extend((*buffers.outputs(index), infer_ns) for index in range(count))
        found = self._results.popleft()
        if isinstance(found, Exception):
            raise found
        return found
