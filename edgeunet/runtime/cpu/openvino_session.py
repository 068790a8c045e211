"""The session on OpenVINO: the fastest one on a CPU for 8-bit files made for it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgeunet.board.machine import physical_cores
from edgeunet.errors import MissingDependencyError, ModelFileError, UsageError
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.imaging.pixels import Pixels
from edgeunet.runtime.cpu.openvino_search import search_in_planes
from edgeunet.runtime.model_metadata import loadable, read_spec
from edgeunet.runtime.session import Prediction, Session
from edgeunet.spec import Execution, ModelSpec
from edgeunet.utils.dependencies import needed

_MAKING_CORE = threading.Lock()


def _openvino() -> Any:
    with needed("openvino"):
        import openvino
    return openvino


def core() -> Any:
    """OpenVINO's Core: one for the whole process, which is never dropped. Raises MissingDependencyError.

    With its first model it sets the stack on which this thread handles signals, and takes it away when it is dropped,
    from the thread that drops it: elsewhere the next Ctrl-C would be a segmentation fault.
    """
    with _MAKING_CORE:
        return _core()


@cache
def _core() -> Any:
    return _openvino().Core()


def has_bf16() -> bool:
    """Whether OpenVINO multiplies numbers of 16 bits faster than float32 here; not where it is missing or broken."""
    try:
        return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except MissingDependencyError:
        return False


def read_model(path: Path, spec: ModelSpec, frames: int = 1) -> Any:
    """A .onnx file as OpenVINO's own model for so many frames; raises what OpenVINO raises."""
    model = core().read_model(loadable(path))
    model.reshape({"frame": [frames, *spec.frame_shape]})
    search_in_planes(_openvino(), model)
    return model


class OpenVinoSession(Session):
    """Runs a .onnx file on the CPU, in the precision that the file has, unless a measured choice says otherwise.

    With one frame in flight all threads work on it; with several each has its own stream of threads.
    Input and output stay in the same buffers; the mask that the caller keeps is the request allocation
    for each frame.

    A model of dynamic batch takes lists of up to `batch` frames. Each length of a list has a compiled model of its own,
    made when it comes first: one for all lengths takes 1.2 to 1.3 times as long for a frame (nano, 256×320, one core).
    """

    def __init__(
        self,
        path: str | Path,
        *,
        threads: int | None = None,
        in_flight: int = 1,
        batch: int = 1,
        execution: Execution | None = None,
    ) -> None:
        """Open the model; raises ModelFileError if it is damaged or has no spec.

        execution: its compute and pinned hold here; its threads are for the caller.
        """
        if in_flight < 1:
            raise UsageError(f"in_flight must be at least 1, got {in_flight}")
        openvino = _openvino()
        path = Path(path)
        spec = read_spec(path)
        self.capacity = in_flight
        self._threads = (threads or max(1, physical_cores() // in_flight)) * in_flight
        self._compute = execution.compute if execution else "f32"
        self._pinned = execution.pinned if execution else True
        super().__init__(spec)
        self._path = path
        self._openvino, self._compiled = openvino, dict[int, Any]()  # by the length of the list
        self._slots: list[dict[int, _InferRequest]] = [{} for _ in range(in_flight)]
        self._free = deque(self._slots)
        self._version: str = openvino.__version__.partition("-")[0]
        self._busy: deque[_Running] = deque()
        for slot in self._slots:
            self._request(slot, 1)
        if batch > 1 and spec.tiles == (1, 1) and _is_dynamic(path):
            self.max_batch = batch

    def describe(self) -> dict[str, str]:
        return {
            "backend": "openvino",
            "version": self._version,
            "device": "cpu",
            "threads": str(self._threads),
            "in_flight": str(self.capacity),
            **({} if self._compute == "f32" else {"compute": self._compute}),
            **({} if self._pinned else {"pinned": "no"}),
        }

    def _settings(self, *, exact: bool) -> dict[str, object]:
        settings: dict[str, object] = {
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": self.capacity,
            # Where the CPU has bf16, OpenVINO would compute an fp32 file in it: not the model that was checked.
            "INFERENCE_PRECISION_HINT": self._compute,
            **({} if self._pinned else {"ENABLE_CPU_PINNING": False}),
        }
        # Its 8-bit passes change the masks of symmetric int8 files: only 96 % of the pixels are the same. Without them
        # 99.8 % are, at the speed of fp32. Files of uint8 keep 99.99 % with them.
        return settings | {"LP_TRANSFORMS_MODE": "NO"} if exact else settings

    @staticmethod
    def _refusal(path: Path, error: Exception) -> ModelFileError:
        reason = " ".join(str(error).split())[-160:]
        return ModelFileError(f"{path} does not run in OpenVINO ({reason}): export it again")

    def _request(self, slot: dict[int, _InferRequest], frames: int) -> _InferRequest:
        """A slot's request for so many frames. Raises ModelFileError if the model does not run so."""
        if frames not in slot:
            spec = self.spec
            try:
                if frames not in self._compiled:
                    settings = self._settings(exact=spec.provenance.target != "cpu")
                    model = read_model(self._path, spec, frames)
                    self._compiled[frames] = core().compile_model(model, "CPU", settings)
                slot[frames] = _InferRequest(self._openvino, self._compiled[frames], spec, frames)
            except (RuntimeError, ValueError, TypeError) as error:  # OpenVINO raises nothing more precise
                raise self._refusal(self._path, error) from error
        return slot[frames]

    def _submit(self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]) -> None:
        slot = self._free[0]
        request = self._request(slot, len(frames))
        begin = time.perf_counter_ns()
        for frame, letterbox, place in zip(frames, letterboxes, request.input, strict=True):
            letterbox.fit(frame, out=place)
        fitted = time.perf_counter_ns()
        self._free.popleft()
        request.start()
        self._busy.append(_Running(slot, request, fitted - begin, fitted))

    def _result(self) -> tuple[Sequence[Prediction], dict[str, int]]:
        slot, request, fit_ns, fitted = self._busy.popleft()
        try:
            try:
                request.wait()
            except RuntimeError as error:
                raise self._refusal(self._path, error) from error
            return request.predictions(), {"fit": fit_ns, "infer": time.perf_counter_ns() - fitted}
        finally:
            self._free.append(slot)

    def _close(self) -> None:
        for running in self._busy:
            running.request.wait()
        self._busy.clear()
        for slot in self._slots:
            slot.clear()
        self._free.clear()
        self._compiled.clear()


def _is_dynamic(path: Path) -> bool:
    """Whether a .onnx file takes any number of frames."""
    return bool(core().read_model(loadable(path)).input("frame").get_partial_shape()[0].is_dynamic)


class _InferRequest:
    """One call of submit(): frames uint8 [N, H, W, channels] and masks uint8 [N, H, W], bound to OpenVINO's request."""

    def __init__(self, openvino: Any, compiled: Any, spec: ModelSpec, frames: int) -> None:
        self.input = np.empty((frames, *spec.frame_shape), np.uint8)
        self._masks = np.empty((frames, *spec.input_size), np.uint8)
        self._request = compiled.create_infer_request()
        names = {name for output in compiled.outputs for name in output.names}
        self._read = (names if spec.tiles != (1, 1) else names - {"logits"}).intersection(Prediction._fields)
        self._request.set_tensor("frame", openvino.Tensor(self.input, shared_memory=True))
        self._request.set_tensor("mask", openvino.Tensor(self._masks, shared_memory=True))

    def predictions(self) -> list[Prediction]:
        """Of each frame."""
        outputs = {name: self._request.get_tensor(name).data for name in self._read}
        return [
            Prediction.of({name: array[index] for name, array in outputs.items()}) for index in range(len(self._masks))
        ]

    def start(self) -> None:
        self._request.start_async()

    def wait(self) -> None:
        self._request.wait()


class _Running(NamedTuple):
    """A request that runs: the slot that it gives back, the time to fit its frames, and when that ended."""

    slot: dict[int, _InferRequest]
    request: _InferRequest
    fit_ns: int
    fitted: int
