"""The infer request: one frame in flight on a GPU, with its stream, its buffers and its work."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from edgeunet.errors import GpuError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels
from edgeunet.runtime.gpu.cuda import Buffer, Device, Stream
from edgeunet.runtime.gpu.cuda_graph import CudaGraph, Driver, Timeline
from edgeunet.runtime.gpu.kernels import ARGMAX, FIT, fit_arguments
from edgeunet.runtime.gpu.tensorrt_log import reason
from edgeunet.spec import BGR, ModelSpec
from edgeunet.utils.formatting import one_line

Shape = tuple[int, ...]
Stages = dict[str, Callable[[], None]]
"""What happens to a frame on the GPU, in order; each puts its work into the stream."""


class InferRequest:
    """Runs one frame after another on a stream of its own. All methods are for the device's owner only.

    The camera's frame is uploaded at its own size and fitted by a kernel; one that is not 8-bit BGR is fitted by the
    CPU, then uploaded. For each size of frames the work is enqueued once, then captured into a CUDA graph and replayed;
    if the capture is refused, the work is enqueued for each frame. device.resources frees everything.

    graph_state: whether frames are replayed from a graph, and if not, why.
    """

    def __init__(
        self, device: Device, driver: Driver, context: Any, spec: ModelSpec, outputs: Mapping[str, Shape]
    ) -> None:
        """context: a TensorRT execution context for this request alone, its input shape set.
        outputs: "mask" (1, H, W) uint8, or "logits" (1, C, H, W) float32, of which a kernel makes the mask; or both.

        Raises GpuError if memory is short or TensorRT refuses an address.
        """
        self.graph_state = "not captured yet"
        self._device, self._driver, self._context, self._outputs = device, driver, context, outputs
        self._size: _Size | None = None
        height, width = next(iter(outputs.values()))[-2:]
        keep = device.resources.callback
        self._stream = device.stream()
        keep(self._stream.free)
        self._fitted: Buffer | None = None  # the network's input, where the CPU fits
        if spec.pixels == BGR:
            memory = device.device_memory(math.prod(spec.frame_shape))
            keep(memory.free)
            self._input = memory.address
        else:
            self._fitted = device.buffer(spec.frame_shape, "uint8", mapped=device.integrated)
            keep(self._fitted.free)
            self._input = self._fitted.address
        self._mask = device.buffer((height, width), "uint8", mapped=device.integrated)
        keep(self._mask.free)
        self._addresses = {"frame": self._input, "mask": self._mask.address}
        if "logits" in outputs:
            logits = device.device_memory(4 * math.prod(outputs["logits"]))
            keep(logits.free)
            self._addresses["logits"] = logits.address
        keep(self._drop_context)
        for name in ("frame", *outputs):
            if not context.set_tensor_address(name, self._addresses[name]):
                raise GpuError(f"TensorRT refuses the memory for the tensor {name}: build the engine again")
        keep(self._drop_size)
        keep(self._settle)

    def submit(self, frame: Pixels, letterbox: Letterbox) -> None:
        """Start the work for a frame, as check_frame() returns it; its memory may be reused when this returns."""
        if self._size is None or self._size.letterbox != letterbox:
            self._size = self._of_size(letterbox)
        if self._size.frame is not None:
            self._size.frame.write(frame)
        elif self._fitted is not None:
            letterbox.fit(frame, out=self._fitted.host)
        self._size.start()

    def result(self) -> tuple[UInt8, dict[str, int]]:
        """Wait for the frame: its mask, uint8 [H, W], and the nanoseconds of each stage on the GPU."""
        if self._size is None:
            raise GpuError("the session is closed: open it again")
        self._stream.synchronize()
        mask: UInt8 = self._mask.host.copy()
        times = self._size.times_ns()
        if self.graph_state == "not captured yet":
            # Only now: TensorRT prepares itself in the first enqueue, which cannot be captured.
            try:
                self._size.capture()
                self.graph_state = "replayed"
            except self._device.failures as error:
                self.graph_state = f"refused: {one_line(error)}"
        return mask, times

    def _of_size(self, letterbox: Letterbox) -> _Size:
        self._drop_size()
        if not self.graph_state.startswith("refused"):
            self.graph_state = "not captured yet"
        if self._fitted is not None:
            return _Size(letterbox, None, self._stages(self._fitted, ()), self._driver, self._stream)
        arguments = fit_arguments(letterbox, 0, self._input)  # refuses a frame that is too large
        frame = self._device.buffer((*letterbox.frame_size, 3), "uint8", mapped=self._device.integrated)
        try:
            arguments = (frame.address, *arguments[1:])
            return _Size(letterbox, frame, self._stages(frame, arguments), self._driver, self._stream)
        except BaseException:
            frame.free()
            raise

    def _stages(self, frame: Buffer, fit: tuple[int, ...]) -> Stages:
        """frame: what is uploaded. fit: of the kernel; () where the CPU has fitted the frame."""
        height, width = self._mask.host.shape
        launch, addresses = self._device.launch, self._addresses
        stages: Stages = {}
        if not frame.mapped:
            stages["h2d"] = partial(frame.upload, self._stream)
        if fit:
            stages["resize"] = partial(launch, FIT, FIT.grid(width, height), fit, self._stream)
        stages["infer"] = self._infer
        if "mask" not in self._outputs:
            channels, pixels = self._outputs["logits"][1], height * width
            arguments = (addresses["logits"], addresses["mask"], channels, pixels)
            stages["argmax"] = partial(launch, ARGMAX, ARGMAX.grid(pixels), arguments, self._stream)
        if not self._mask.mapped:
            stages["d2h"] = partial(self._mask.download, self._stream)
        return stages

    def _infer(self) -> None:
        if not self._context.execute_async_v3(self._stream.handle):
            raise GpuError(f"TensorRT refuses to run the engine{reason()}: build it again")

    def _settle(self) -> None:
        with suppress(*self._device.failures):  # result() has raised them
            self._stream.synchronize()

    def _drop_size(self) -> None:
        if self._size is not None:
            self._size.free()
            self._size = None

    def _drop_context(self) -> None:
        self._context = None


class _Size:
    """The resources for frames of one size: their work, its graph, and the buffer of frames that a kernel fits."""

    def __init__(
        self, letterbox: Letterbox, frame: Buffer | None, stages: Stages, driver: Driver, stream: Stream
    ) -> None:
        self.letterbox, self.frame = letterbox, frame
        self._stages, self._driver, self._stream = stages, driver, stream
        self._timeline = Timeline(driver, len(stages) + 1)
        self._graph: CudaGraph | None = None

    def start(self) -> None:
        if self._graph is None:
            self._enqueue(captured=False)
        else:
            self._graph.launch(self._stream.handle)

    def capture(self) -> None:
        self._graph = CudaGraph(self._driver, self._stream.handle, partial(self._enqueue, captured=True))

    def times_ns(self) -> dict[str, int]:
        return dict(zip(self._stages, self._timeline.durations_ns(), strict=True))

    def free(self) -> None:
        if self._graph is not None:
            self._graph.free()
        self._timeline.free()
        if self.frame is not None:
            self.frame.free()

    def _enqueue(self, *, captured: bool) -> None:
        self._timeline.mark(0, self._stream.handle, captured=captured)
        for mark, stage in enumerate(self._stages.values(), start=1):
            stage()
            self._timeline.mark(mark, self._stream.handle, captured=captured)
