"""The session on TensorRT, and on TensorRT-RTX, whose classes are the same."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from edgeunet.board.gpu import tensorrt_module
from edgeunet.errors import GpuError, ModelFileError, UsageError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels
from edgeunet.runtime.gpu.cuda import EXCLUSIVE, Device
from edgeunet.runtime.gpu.engine_file import EngineInfo, check_engine_here
from edgeunet.runtime.gpu.infer_request import InferRequest, Shape
from edgeunet.runtime.gpu.libcuda import Driver
from edgeunet.runtime.gpu.tensorrt_log import reason, tensorrt_log
from edgeunet.runtime.session import Further, Session

T = TypeVar("T")
MAX_IN_FLIGHT = 3  # one copied in, one computed, one copied out


class TensorRTSession(Session):
    """Runs a .engine file on the GPU.

    With one frame in flight it is set for latency. With two or three, each has a stream, buffers and an execution
    context of its own, so that the copies of one overlap with the computing of another: more frames per
    second, each later, and two or three times the engine's working memory.

    Stages: "fit" is the copy into page-locked memory and the start of the work, on the CPU; then, on the GPU between
    events, "h2d", "resize" (no work for frames of the network's own size), "infer", "argmax" (where the engine has only
    logits) and "d2h" (not where memory is shared).

    An error on the GPU closes the session; a new one may be opened.
    """

    def __init__(self, path: str | Path, *, in_flight: int = 1) -> None:
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
        self._requests: list[InferRequest] = []
        self._submitted = self._taken = 0
        self._latest = Further()
        self._device = Device()
        self._finalizer = weakref.finalize(self, self._device.close_soon)  # for a session that nobody closes
        try:
            self._device.call(lambda: self._open(path, trt, info))
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
            "cuda_graph": self._requests[0].graph_state,
        }

    def _open(self, path: Path, trt: Any, info: EngineInfo) -> None:
        device, driver = self._device, Driver()
        with EXCLUSIVE:
            device.load_kernels()
            loaded = LoadedEngine(path, trt, info)
            device.resources.callback(loaded.free)
            for _ in range(self.capacity):
                self._requests.append(InferRequest(device, driver, loaded.context(device), self.spec, loaded.outputs))

    def _submit(self, frame: Pixels, letterbox: Letterbox) -> None:
        request = self._requests[self._submitted % self.capacity]
        self._on_gpu(lambda: request.submit(frame, letterbox))
        self._submitted += 1

    def _result(self) -> tuple[UInt8, dict[str, int]]:
        request = self._requests[self._taken % self.capacity]
        self._taken += 1
        mask, self._latest, times = self._on_gpu(request.result)
        return mask, times

    def _further(self) -> Further:
        return self._latest

    def _run(self, frame: Pixels, letterbox: Letterbox) -> tuple[UInt8, dict[str, int]]:
        # Handing work to the owner's thread and back takes about 20 µs: do it once for each frame instead of twice.
        return self._on_gpu(lambda: super(TensorRTSession, self)._run(frame, letterbox))

    def _close(self) -> None:
        self._finalizer.detach()
        self._device.close()

    def _on_gpu(self, function: Callable[[], T]) -> T:
        try:
            return self._device.call(function)
        except GpuError:
            self._closed = True
            self._waiting.clear()
            self._give_up()
            raise

    def _give_up(self) -> None:
        """Close while an error is on its way, which tells more than what a lost GPU says to that."""
        with suppress(GpuError):
            self._close()


class LoadedEngine:
    """A deserialised engine, checked against the contract of every model file; for the device's owner only.

    outputs: the shapes of its outputs for one frame: "mask", "logits" or both, and with them "confidence" and
        "familiarity", or neither.
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
        self._frame = (1, *spec.frame_shape)
        expected = {
            "frame": (trt.TensorIOMode.INPUT, trt.DataType.UINT8, self._frame),
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
                f"{path} has the tensors {tensors}; this model's engine has frame uint8 {list(self._frame)} and mask "
                f"uint8 {[1, height, width]} or logits float32 {[1, spec.logits, height, width]}: build it again from "
                "the .onnx file of `edgeunet export onnx`"
            )
        self.outputs: dict[str, Shape] = {name: expected[name][2] for name in names if name != "frame"}

    def context(self, device: Device) -> Any:
        """A new execution context for one frame at a time."""
        context = self._engine.create_execution_context()
        if context is None:
            free, total = device.memory_mib()
            raise GpuError(
                f"TensorRT returned no execution context, with {free} of {total} MiB of GPU memory free"
                f"{reason()}: close other programs that use the GPU, or use a smaller model"
            )
        if not context.set_input_shape("frame", self._frame):
            raise ModelFileError(f"the engine refuses frames of shape {list(self._frame)}: build it again")
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
