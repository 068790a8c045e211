"""The infer request: one batch in flight on a GPU, with its stream, its buffers and its work."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

from edgeunet.errors import GpuError
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.imaging.pixels import Pixels, level_tables
from edgeunet.runtime.gpu.cuda import EXCLUSIVE, Buffer, Device, Stream
from edgeunet.runtime.gpu.cuda_graph import CudaGraph, Timeline
from edgeunet.runtime.gpu.kernels import ARGMAX, FIT, fit_arguments
from edgeunet.runtime.gpu.libcuda import Driver
from edgeunet.runtime.gpu.tensorrt_log import reason
from edgeunet.runtime.session import Prediction
from edgeunet.spec import ModelSpec
from edgeunet.utils.formatting import one_line

Shape = tuple[int, ...]
Sizes = tuple[tuple[int, int], ...]  # (height, width) of each frame of a batch
Stages = dict[str, Callable[[], None]]
"""What happens to a batch on the GPU, in order; each puts its work into the stream. The same for all sizes."""
SIZES = 4  # of batches, whose memory and work are kept: several cameras take turns
TRIES = 3  # captures in a row that may be refused: one may be chance, if another library synchronises the device
PAUSE = 10  # batches between two tries


class InferRequest:
    """Runs batches of one length, one after another, on a stream of its own. All methods are for the device's owner.

    A camera's frame is uploaded as it is and fitted by a kernel; one of the network's own size, if it is alone, is the
    engine's input as it arrives. The first batch of a size is enqueued; at the second the work is captured into a CUDA
    graph, which is replayed from then on; while that is refused, batches are enqueued. device.resources frees
    everything.

    graph_state: whether frames are replayed from a graph, and if not, why.
    """

    def __init__(
        self, device: Device, driver: Driver, context: Any, spec: ModelSpec, outputs: Mapping[str, Shape]
    ) -> None:
        """context: a TensorRT execution context for this request alone, its input shape set.
        outputs: "mask" (N, H, W) uint8, or "logits" (N, C, H, W) float32, of which a kernel makes the mask; or both.
            With them "confidence" (N, H, W) uint8 and "familiarity" (N,) float32.
        N is the number of frames of each batch.

        Raises GpuError if memory is short or TensorRT refuses an address.
        """
        self.graph_state = "not captured yet"
        self._tries, self._pause = TRIES, 0
        self._device, self._driver, self._context, self._outputs = device, driver, context, outputs
        self._works: dict[Sizes, _Work] = {}  # the one used last is the last
        self._work: _Work | None = None  # of the batch that was submitted last
        self._frames = next(iter(outputs.values()))[0]
        keep = device.resources.callback
        self._stream = device.stream()
        keep(self._stream.free)
        self._input = self._buffer((self._frames, *spec.frame_shape), "uint8")
        mapped = device.gpu.integrated
        self._mask = self._buffer((self._frames, *spec.input_size), "uint8", mapped=mapped)
        self._trust = {
            name: self._buffer(outputs[name], dtype, mapped=mapped)
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
        keep(self._drop_works)
        keep(self._settle)

    def submit(self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]) -> None:
        """Start the work for frames, as check_frame() returns them; their memory may be reused when this returns."""
        self._work = work = self._of_sizes(letterboxes)
        for buffer, frame in zip(work.frames, frames, strict=True):
            buffer.write(frame if buffer is not self._input else frame[None])
        if work.graph is None and work.enqueued:  # TensorRT prepares itself in the first enqueue: not to be captured
            self._try_to_capture(work)
        work.start()

    def result(self) -> tuple[Sequence[Prediction], dict[str, int]]:
        """Wait for the batch: the mask of each frame, and the nanoseconds of each stage on the GPU."""
        if self._work is None:
            raise GpuError("the session is closed: open it again")
        self._stream.synchronize()
        outputs = {"mask": self._mask.host, **{name: buffer.host for name, buffer in self._trust.items()}}
        predictions = [
            Prediction.of({name: array[index] for name, array in outputs.items()}) for index in range(self._frames)
        ]
        return predictions, self._work.times_ns()

    def _buffer(self, shape: Shape, dtype: str, *, mapped: bool = False) -> Buffer:
        buffer = self._device.buffer(shape, dtype, mapped=mapped)
        self._device.resources.callback(buffer.free)
        return buffer

    def _of_sizes(self, letterboxes: Sequence[Letterbox]) -> _Work:
        sizes = tuple(letterbox.frame_size for letterbox in letterboxes)
        work = self._works.pop(sizes, None)
        if work is None:
            if len(self._works) == SIZES:
                self._works.pop(next(iter(self._works))).free()
            work = self._make(letterboxes)
        self._works[sizes] = work
        return work

    def _make(self, letterboxes: Sequence[Letterbox]) -> _Work:
        for letterbox in letterboxes:
            fit_arguments(letterbox, 0, self._input.address)  # refuses a frame that is too large
        first = letterboxes[0]
        if self._frames == 1 and first.frame_size == first.input_size and not first.pixels.deep:
            return _Work([self._input], self._stages([self._input], ()), self._driver, self._stream, owned=False)
        with ExitStack() as unless_made:
            frames, fits = [], []
            for index, letterbox in enumerate(letterboxes):
                pixels = letterbox.pixels
                frame = self._device.buffer((*letterbox.frame_size, pixels.channels), pixels.dtype)
                unless_made.callback(frame.free)
                frames.append(frame)
                fits.append(partial(self._fit, index, letterbox, frame))
            work = _Work(frames, self._stages(frames, fits), self._driver, self._stream, owned=True)
            unless_made.pop_all()
        return work

    def _fit(self, index: int, letterbox: Letterbox, frame: Buffer) -> None:
        kernel, (height, width) = FIT[letterbox.pixels], letterbox.input_size
        place = self._input.address + index * self._input.host[0].nbytes
        arguments = fit_arguments(letterbox, frame.address, place, self._levels.address if self._levels else 0)
        self._device.launch(kernel, kernel.grid(width, height), arguments, self._stream)

    def _stages(self, frames: Sequence[Buffer], fits: Sequence[Callable[[], None]]) -> Stages:
        uploads = [partial(frame.upload, self._stream) for frame in frames]
        stages: Stages = {"h2d": partial(_each, uploads), "resize": partial(_each, fits), "infer": self._infer}
        if "mask" not in self._outputs:
            stages["argmax"] = self._argmax
        if not self._mask.mapped:
            stages["d2h"] = self._download
        return stages

    def _download(self) -> None:
        for buffer in (self._mask, *self._trust.values()):
            buffer.download(self._stream)

    def _argmax(self) -> None:
        channels, pixels = self._outputs["logits"][1], self._mask.host[0].size
        for index in range(self._frames):
            logits = self._addresses["logits"] + index * 4 * channels * pixels
            arguments = (logits, self._addresses["mask"] + index * pixels, channels, pixels)
            self._device.launch(ARGMAX, ARGMAX.grid(pixels), arguments, self._stream)

    def _infer(self) -> None:
        if not self._context.execute_async_v3(self._stream.handle):
            raise GpuError(f"TensorRT refuses to run the engine{reason()}: build it again")

    def _settle(self) -> None:
        with suppress(*self._device.failures):  # result() has raised them
            self._stream.synchronize()

    def _drop_works(self) -> None:
        self._work = None
        while self._works:
            self._works.popitem()[1].free()

    def _drop_context(self) -> None:
        self._context = None

    def _try_to_capture(self, work: _Work) -> None:
        if self._tries == 0 or self._pause or not EXCLUSIVE.acquire(blocking=False):
            self._pause = max(0, self._pause - 1)
            return
        try:
            work.capture()
            self.graph_state, self._tries = "replayed", TRIES
        except self._device.failures as error:
            self.graph_state = f"refused: {one_line(error)}"
            self._tries, self._pause = self._tries - 1, PAUSE
        finally:
            EXCLUSIVE.release()


class _Work:
    """The work for a batch of frames of these sizes, its graph once it is captured, and the memory for the frames.

    enqueued: whether it has run once. owned: whether free() frees the frames' memory.
    """

    def __init__(
        self, frames: Sequence[Buffer], stages: Stages, driver: Driver, stream: Stream, *, owned: bool
    ) -> None:
        self.frames, self.enqueued = frames, False
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
            _each([frame.free for frame in self.frames])

    def _enqueue(self, *, captured: bool) -> None:
        self._timeline.mark(0, self._stream.handle, captured=captured)
        for mark, stage in enumerate(self._stages.values(), start=1):
            stage()
            self._timeline.mark(mark, self._stream.handle, captured=captured)


def _each(calls: Sequence[Callable[[], None]]) -> None:
    for call in calls:
        call()
