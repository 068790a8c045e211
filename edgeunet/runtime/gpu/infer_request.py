"""The infer request: one frame in flight on a GPU, with its stream, its buffers and its work."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from edgeunet.errors import GpuError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels, level_tables
from edgeunet.runtime.gpu.cuda import EXCLUSIVE, Buffer, Device, Stream
from edgeunet.runtime.gpu.cuda_graph import CudaGraph, Timeline
from edgeunet.runtime.gpu.kernels import ARGMAX, FIT, fit_arguments
from edgeunet.runtime.gpu.libcuda import Driver
from edgeunet.runtime.gpu.tensorrt_log import reason
from edgeunet.runtime.session import Further
from edgeunet.spec import ModelSpec
from edgeunet.utils.formatting import one_line

Shape = tuple[int, ...]
Stages = dict[str, Callable[[], None]]
"""What happens to a frame on the GPU, in order; each puts its work into the stream. The same for all sizes."""
SIZES = 4  # of frames, whose memory and work are kept: several cameras take turns
TRIES = 3  # captures in a row that may be refused: one may be chance, if another library synchronises the device
PAUSE = 10  # frames between two tries


class InferRequest:
    """Runs one frame after another on a stream of its own. All methods are for the device's owner only.

    The camera's frame is uploaded as it is and fitted by a kernel; one of the network's own size is the engine's input
    as it arrives. The first frame of a size is enqueued; at the second the work is captured into a CUDA graph, which is
    replayed from then on; while that is refused, frames are enqueued. device.resources frees everything.

    graph_state: whether frames are replayed from a graph, and if not, why.
    """

    def __init__(
        self, device: Device, driver: Driver, context: Any, spec: ModelSpec, outputs: Mapping[str, Shape]
    ) -> None:
        """context: a TensorRT execution context for this request alone, its input shape set.
        outputs: "mask" (1, H, W) uint8, or "logits" (1, C, H, W) float32, of which a kernel makes the mask; or both.
            With them "confidence" (1, H, W) uint8 and "familiarity" (1,) float32.

        Raises GpuError if memory is short or TensorRT refuses an address.
        """
        self.graph_state = "not captured yet"
        self._tries, self._pause = TRIES, 0
        self._device, self._driver, self._context, self._outputs = device, driver, context, outputs
        self._sizes: dict[tuple[int, int], _Size] = {}  # the one used last is the last
        self._size: _Size | None = None  # of the frame that was submitted last
        keep = device.resources.callback
        self._stream = device.stream()
        keep(self._stream.free)
        self._input = self._buffer(spec.frame_shape, "uint8")
        mapped = device.gpu.integrated
        self._mask = self._buffer(spec.input_size, "uint8", mapped=mapped)
        self._trust = {
            name: self._buffer(outputs[name][1:] or (1,), dtype, mapped=mapped)
            for name, dtype in (("confidence", "uint8"), ("familiarity", "float32"))
            if name in outputs
        }
        self._levels: Buffer | None = None
        if spec.levels:
            tables = level_tables(spec.levels)
            self._levels = self._buffer(tables.shape, "uint8")
            self._levels.write(tables)
            self._levels.upload(self._stream)
        self._addresses = {"frame": self._input.address, "mask": self._mask.address}
        self._addresses |= {name: buffer.address for name, buffer in self._trust.items()}
        if "logits" in outputs:
            logits = device.device_memory(4 * math.prod(outputs["logits"]))
            keep(logits.free)
            self._addresses["logits"] = logits.address
        keep(self._drop_context)
        for name in ("frame", *outputs):
            if not context.set_tensor_address(name, self._addresses[name]):
                raise GpuError(f"TensorRT refuses the memory for the tensor {name}: build the engine again")
        keep(self._drop_sizes)
        keep(self._settle)

    def submit(self, frame: Pixels, letterbox: Letterbox) -> None:
        """Start the work for a frame, as check_frame() returns it; its memory may be reused when this returns."""
        self._size = size = self._of_size(letterbox)
        size.frame.write(frame)
        if size.graph is None and size.enqueued:  # TensorRT prepares itself in the first enqueue: not to be captured
            self._try_to_capture(size)
        size.start()

    def result(self) -> tuple[UInt8, Further, dict[str, int]]:
        """Wait for the frame: its mask, uint8 [H, W], the other outputs, and the ns of each stage on the GPU."""
        if self._size is None:
            raise GpuError("the session is closed: open it again")
        self._stream.synchronize()
        mask: UInt8 = self._mask.host.copy()
        further = Further()
        if self._trust:
            confidence, familiarity = self._trust["confidence"].host.copy(), float(self._trust["familiarity"].host[0])
            further = Further(confidence=confidence, familiarity=familiarity)
        return mask, further, self._size.times_ns()

    def _buffer(self, shape: Shape, dtype: str, *, mapped: bool = False) -> Buffer:
        buffer = self._device.buffer(shape, dtype, mapped=mapped)
        self._device.resources.callback(buffer.free)
        return buffer

    def _of_size(self, letterbox: Letterbox) -> _Size:
        size = self._sizes.pop(letterbox.frame_size, None)
        if size is None:
            if len(self._sizes) == SIZES:
                self._sizes.pop(next(iter(self._sizes))).free()
            size = self._make(letterbox)
        self._sizes[letterbox.frame_size] = size
        return size

    def _make(self, letterbox: Letterbox) -> _Size:
        levels, pixels = self._levels.address if self._levels else 0, letterbox.pixels
        arguments = fit_arguments(letterbox, 0, self._input.address, levels)  # refuses a frame that is too large
        if letterbox.frame_size == letterbox.input_size and not pixels.deep:
            return _Size(self._input, self._stages(self._input, lambda: None), self._driver, self._stream, owned=False)
        frame = self._device.buffer((*letterbox.frame_size, pixels.channels), pixels.dtype)
        try:
            kernel, (height, width) = FIT[pixels], letterbox.input_size
            arguments = (frame.address, *arguments[1:])
            fit = partial(self._device.launch, kernel, kernel.grid(width, height), arguments, self._stream)
            return _Size(frame, self._stages(frame, fit), self._driver, self._stream, owned=True)
        except BaseException:
            frame.free()
            raise

    def _stages(self, frame: Buffer, fit: Callable[[], None]) -> Stages:
        stages: Stages = {"h2d": partial(frame.upload, self._stream), "resize": fit, "infer": self._infer}
        if "mask" not in self._outputs:
            channels, pixels = self._outputs["logits"][1], self._mask.host.size
            arguments = (self._addresses["logits"], self._addresses["mask"], channels, pixels)
            stages["argmax"] = partial(self._device.launch, ARGMAX, ARGMAX.grid(pixels), arguments, self._stream)
        if not self._mask.mapped:
            stages["d2h"] = self._download
        return stages

    def _download(self) -> None:
        for buffer in (self._mask, *self._trust.values()):
            buffer.download(self._stream)

    def _infer(self) -> None:
        if not self._context.execute_async_v3(self._stream.handle):
            raise GpuError(f"TensorRT refuses to run the engine{reason()}: build it again")

    def _settle(self) -> None:
        with suppress(*self._device.failures):  # result() has raised them
            self._stream.synchronize()

    def _drop_sizes(self) -> None:
        self._size = None
        while self._sizes:
            self._sizes.popitem()[1].free()

    def _drop_context(self) -> None:
        self._context = None

    def _try_to_capture(self, size: _Size) -> None:
        if self._tries == 0 or self._pause or not EXCLUSIVE.acquire(blocking=False):
            self._pause = max(0, self._pause - 1)
            return
        try:
            size.capture()
            self.graph_state, self._tries = "replayed", TRIES
        except self._device.failures as error:
            self.graph_state = f"refused: {one_line(error)}"
            self._tries, self._pause = self._tries - 1, PAUSE
        finally:
            EXCLUSIVE.release()


class _Size:
    """The work for frames of one size, its graph once it is captured, and the memory that they are written to.

    enqueued: whether it has run once. owned: whether free() frees the frame's memory.
    """

    def __init__(self, frame: Buffer, stages: Stages, driver: Driver, stream: Stream, *, owned: bool) -> None:
        self.frame, self.enqueued = frame, False
        self.graph: CudaGraph | None = None
        self._stages, self._driver, self._stream, self._owned = stages, driver, stream, owned
        self._timeline = Timeline(driver, len(stages) + 1)

    def start(self) -> None:
        if self.graph is None:
            self._enqueue(captured=False)
            self.enqueued = True
        else:
            self.graph.launch(self._stream.handle)

    def capture(self) -> None:
        self.graph = CudaGraph(self._driver, self._stream.handle, partial(self._enqueue, captured=True))

    def times_ns(self) -> dict[str, int]:
        return dict(zip(self._stages, self._timeline.durations_ns(), strict=True))

    def free(self) -> None:
        if self.graph is not None:
            self.graph.free()
        self._timeline.free()
        if self._owned:
            self.frame.free()

    def _enqueue(self, *, captured: bool) -> None:
        self._timeline.mark(0, self._stream.handle, captured=captured)
        for mark, stage in enumerate(self._stages.values(), start=1):
            stage()
            self._timeline.mark(mark, self._stream.handle, captured=captured)
