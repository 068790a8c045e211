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
from edgeunet.runtime.session import Session
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
        logits = self.spec.tiles != (1, 1) and "logits" in {output.name for output in session.get_outputs()}
        shape = (1, self.spec.logits, *self.spec.input_size) if logits else None
        self._free = deque(_BoundBuffers(ort, session, *_allocate(1, self.spec), shape) for _ in range(in_flight))
        self._latest: _BoundBuffers | None = None
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
        letterbox.fit(frame, out=buffers.input[0])
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
            return self._batch.result(self._infer)
        buffers, inference = self._busy.popleft()
        try:
            infer_ns = inference()
            self._latest = buffers
            return buffers.output[0].copy(), {"infer": infer_ns}
        finally:
            self._free.append(buffers)

    def _logits(self) -> NDArray[np.float32] | None:
        if self._latest is None or self._latest.logits is None:
            return None
        return np.array(self._latest.logits[0], np.float32)

    def _close(self) -> None:
        self._workers.shutdown()
        self._free.clear()
        self._busy.clear()
        del self._model


def _allocate(frames: int, spec: ModelSpec) -> tuple[UInt8, UInt8]:
    """Input uint8 [frames, H, W, channels] and output uint8 [frames, H, W]."""
    return np.empty((frames, *spec.frame_shape), np.uint8), np.empty((frames, *spec.input_size), np.uint8)


class _BoundBuffers:
    """The buffers of what runs in one call, bound to the model."""

    def __init__(
        self, ort: Any, session: Any, frames: UInt8, masks: UInt8, logits: tuple[int, ...] | None = None
    ) -> None:
        """frames: uint8 [N, H, W, channels]; masks: uint8 [N, H, W]. logits: their shape, where they are wanted."""
        self.input, self.output = frames, masks
        # An OrtValue made from a numpy array shares its memory, and a binding does not keep it alive.
        self._values = [ort.OrtValue.ortvalue_from_numpy(a) for a in (self.input, self.output)]
        self.binding = session.io_binding()
        self.binding.bind_ortvalue_input("frame", self._values[0])
        self.binding.bind_ortvalue_output("mask", self._values[1])
        self.logits: NDArray[Any] | None = None
        if logits is not None:
            half = any(o.name == "logits" and o.type == "tensor(float16)" for o in session.get_outputs())
            self.logits = np.empty(logits, np.float16 if half else np.float32)
            self._values.append(ort.OrtValue.ortvalue_from_numpy(self.logits))
            self.binding.bind_ortvalue_output("logits", self._values[2])


class _Batch:
    """Frames that run together: those that are submitted before the first result is taken."""

    def __init__(self, ort: Any, session: Any, spec: ModelSpec, most: int) -> None:
        self._input, output = _allocate(most, spec)
        self._buffers = [_BoundBuffers(ort, session, self._input[:n], output[:n]) for n in range(1, most + 1)]
        self._count = 0  # of frames that wait
        self._results: deque[tuple[UInt8, int] | Exception] = deque()

    def next_input(self) -> UInt8:
        """Where the next frame goes: uint8 [H, W, channels]."""
        place: UInt8 = self._input[self._count]
        self._count += 1
        return place

    def result(self, infer: Callable[[_BoundBuffers], int]) -> tuple[UInt8, dict[str, int]]:
        """The next frame's mask, and how long its whole batch took; raises what its batch raised."""
        if not self._results:
            buffers = self._buffers[self._count - 1]
            self._count = 0
            try:
                infer_ns = infer(buffers)
            except Exception as error:  # noqa: BLE001 - every frame of the batch has failed
                self._results.extend([error] * len(buffers.output))
            else:
                self._results.extend((mask.copy(), infer_ns) for mask in buffers.output)
        found = self._results.popleft()
        if isinstance(found, Exception):
            raise found
        return found[0], {"infer": found[1]}
