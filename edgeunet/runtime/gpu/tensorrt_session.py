"""The session on TensorRT, and on TensorRT-RTX, whose classes are the same."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from edgeunet.board.gpu import tensorrt_module
from edgeunet.errors import GpuError, ModelFileError, UsageError
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.imaging.pixels import Pixels
from edgeunet.runtime.gpu.cuda import EXCLUSIVE, Device
from edgeunet.runtime.gpu.engine_file import EngineInfo, check_engine_here
from edgeunet.runtime.gpu.infer_request import InferRequest, Shape
from edgeunet.runtime.gpu.libcuda import Driver
from edgeunet.runtime.gpu.tensorrt_log import reason, tensorrt_log
from edgeunet.runtime.session import Prediction, Session

T = TypeVar("T")
MAX_IN_FLIGHT = 3  # one copied in, one computed, one copied out


class TensorRTSession(Session):
    """Runs a .engine file on the GPU.

    With one frame in flight it is set for latency. With two or three, each has a stream, buffers and an execution
    context of its own, so that the copies of one overlap with the computing of another: more frames per
    second, each later, and two or three times the engine's working memory.

    An engine of dynamic batch takes lists of frames. Each length of a list has a context of its own, made when it comes
    first: a graph is of one shape.

    Stages: "fit" is the copy into page-locked memory and the start of the work, on the CPU; then, on the GPU between
    events, "h2d", "resize" (no work for frames of the network's own size), "infer", "argmax" (where the engine has only
    logits) and "d2h" (not where memory is shared).

    An error on the GPU closes the session; a new one may be opened.
    """

    large = 3840 * 2160  # a kernel fits what is smaller

    def __init__(self, path: str | Path, *, in_flight: int = 1, batch: int = 1) -> None:
        """Open the engine. Raises ModelFileError or MismatchError if it is not for this machine, GpuError or
        MissingDependencyError if the GPU or a package is missing or memory is short."""
        if not 1 <= in_flight <= MAX_IN_FLIGHT:
            raise UsageError(f"1 to {MAX_IN_FLIGHT} frames can be in flight on a GPU, got {in_flight}")
        path = Path(path)
        info = check_engine_here(path)
        trt = tensorrt_module(info.provider)
        super().__init__(info.spec)
        self.capacity = in_flight
        self._version, self._provider = str(trt.__version__), str(info.provider)
        self._slots: list[dict[int, InferRequest]] = [{} for _ in range(in_flight)]  # by the length of the list
        self._busy: deque[InferRequest] = deque()
        self._submitted = 0
        self._device = Device()
        self._finalizer = weakref.finalize(self, self._device.close_soon)  # for a session that nobody closes
        try:
            self._device.call(lambda: self._open(path, trt, info, batch))
        except BaseException:
            self._give_up()
            raise

    def describe(self) -> dict[str, str]:
        gpu = self._device.gpu
        return {
            "backend": self._provider,
            "version": self._version,
            "device": f"{gpu.name} (sm_{gpu.compute_capability.replace('.', '')})",
            "cuda_provider": self._device.provider,
            "memory": "mapped" if gpu.integrated else "page-locked",
            "in_flight": str(self.capacity),
            "cuda_graph": self._slots[0][1].graph_state,
        }

    def _open(self, path: Path, trt: Any, info: EngineInfo, batch: int) -> None:
        device, self._driver = self._device, Driver()
        with EXCLUSIVE:
            device.load_kernels()
            self._loaded = LoadedEngine(path, trt, info)
            device.resources.callback(self._loaded.free)
            self.max_batch = min(batch, self._loaded.max_batch)
            for slot in self._slots:
                slot[1] = self._request(1)

    def _request(self, frames: int) -> InferRequest:
        context = self._loaded.context(self._device, frames)
        return InferRequest(self._device, self._driver, context, self.spec, self._loaded.outputs(frames))

    def _next_request(self, frames: int) -> InferRequest:
        """The one for the next list, of so many frames. Raises GpuError if memory is short: the session goes on."""
        slot = self._slots[self._submitted % self.capacity]
        if frames not in slot:
            self._device.call(lambda: self._add(slot, frames))
        return slot[frames]

    def _add(self, slot: dict[int, InferRequest], frames: int) -> None:
        with EXCLUSIVE:
            slot[frames] = self._request(frames)

    def _submit(self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]) -> None:
        request = self._next_request(len(frames))
        self._on_gpu(lambda: request.submit(frames, letterboxes))
        self._busy.append(request)
        self._submitted += 1

    def _result(self) -> tuple[Sequence[Prediction], dict[str, int]]:
        return self._on_gpu(self._busy.popleft().result)

    def _run(
        self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]
    ) -> tuple[Sequence[Prediction], dict[str, int]]:
        self._next_request(len(frames))
        # Handing work to the owner's thread and back takes about 20 µs: do it once for each call instead of twice.
        return self._on_gpu(lambda: super(TensorRTSession, self)._run(frames, letterboxes))

    def _close(self) -> None:
        self._finalizer.detach()
        self._device.close()

    def _on_gpu(self, function: Callable[[], T]) -> T:
        try:
            return self._device.call(function)
        except GpuError:
            self._closed = True
            self._waiting.clear()
            self._busy.clear()
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Close while an error is on its way, which tells more than what a lost GPU says to that."""
        with suppress(GpuError):
            self._close()


class LoadedEngine:
    """A deserialised engine, checked against the contract of every model file; for the device's owner only.

    max_batch: the most frames that its profile allows.
    """

    def __init__(self, path: Path, trt: Any, info: EngineInfo) -> None:
        spec = info.spec
        reason()  # forgets what was said before
        try:
            self._runtime = trt.Runtime(tensorrt_log(trt))
        except TypeError as error:  # what the bindings make of a null pointer
            raise GpuError(f"TensorRT does not start{reason()}: update the driver; it may be too old") from error
        if info.dla_core is not None:
            self._runtime.DLA_core = info.dla_core  # or every engine runs on the same core, whatever it was built for
        self._engine = self._runtime.deserialize_cuda_engine(path.read_bytes())
        if self._engine is None:
            raise ModelFileError(f"TensorRT cannot load {path}{reason()}: `edgeunet export engine` builds it again")
        height, width = spec.input_size
        frame = (1, *spec.frame_shape)
        expected = {
            "frame": (trt.TensorIOMode.INPUT, trt.DataType.UINT8, frame),
            "mask": (trt.TensorIOMode.OUTPUT, trt.DataType.UINT8, (1, height, width)),
            "logits": (trt.TensorIOMode.OUTPUT, trt.DataType.FLOAT, (1, spec.logits, height, width)),
            "confidence": (trt.TensorIOMode.OUTPUT, trt.DataType.UINT8, (1, height, width)),
            "familiarity": (trt.TensorIOMode.OUTPUT, trt.DataType.FLOAT, (1,)),
        }
        engine = self._engine
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        wrong = [name for name in names if name not in expected or not _fits(engine, name, *expected[name])]
        decided = {"mask", "logits"}.intersection(names)
        trusted = len({"confidence", "familiarity"}.intersection(names))
        if wrong or "frame" not in names or not decided or trusted == 1 or (spec.trust is not None and not trusted):
            tensors = ", ".join(
                f"{name} {engine.get_tensor_dtype(name)} {list(engine.get_tensor_shape(name))}" for name in names
            )
            raise ModelFileError(
                f"{path} has the tensors {tensors}; this model's engine has frame uint8 {list(frame)} and mask "
                f"uint8 {[1, height, width]} or logits float32 {[1, spec.logits, height, width]}: build it again from "
                "the .onnx file of `edgeunet export onnx`"
            )
        self._shapes: dict[str, Shape] = {name: expected[name][2][1:] for name in names}
        self.max_batch = int(engine.get_tensor_profile_shape("frame", 0)[2][0])

    def outputs(self, frames: int) -> dict[str, Shape]:
        """The shapes of its outputs for so many frames: "mask", "logits" or both, and with them "confidence" and
        "familiarity", or neither."""
        return {name: (frames, *shape) for name, shape in self._shapes.items() if name != "frame"}

    def context(self, device: Device, frames: int) -> Any:
        """A new execution context for so many frames at a time."""
        context = self._engine.create_execution_context()
        if context is None:
            free, total = device.memory_mib()
            raise GpuError(
                f"TensorRT returned no execution context, with {free} of {total} MiB of GPU memory free"
                f"{reason()}: close other programs that use the GPU, or use a smaller model"
            )
        shape = (frames, *self._shapes["frame"])
        if not context.set_input_shape("frame", shape):
            raise ModelFileError(f"the engine refuses frames of shape {list(shape)}: build it again")
        return context

    def free(self) -> None:
        self._engine = self._runtime = None


def _fits(engine: Any, name: str, mode: Any, dtype: Any, shape: Shape) -> bool:
    """Whether a tensor is what the contract says; the number of frames may be dynamic."""
    found = tuple(engine.get_tensor_shape(name))
    return (
        engine.get_tensor_mode(name) == mode
        and engine.get_tensor_dtype(name) == dtype
        and found[1:] == shape[1:]
        and found[:1] in ((1,), (-1,))
    )
