"""A source, a session and a sink that take no time, to measure the camera loop between them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from edgeunet.camera.frame import Shot
from edgeunet.camera.sources.source import Source
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels
from edgeunet.runtime.session import Prediction, Session
from edgeunet.spec import ClassInfo, ModelSpec

INPUT_SIZE = (256, 320)
MASKS = 4  # different ones, in turn
CLASSES = tuple(ClassInfo(f"class {i}", (40 * i, 200, 255 - 40 * i)) for i in range(5))


class Instant(Session):
    """Fits frames like any session, and answers without inference: the classes as stripes that move."""

    def __init__(self) -> None:
        super().__init__(ModelSpec(CLASSES, INPUT_SIZE))
        self._input = np.empty((*INPUT_SIZE, 3), np.uint8)
        rows, columns = np.mgrid[: INPUT_SIZE[0], : INPUT_SIZE[1]]
        self._masks = [((rows // 40 + (columns + 8 * i) // 40) % len(CLASSES)).astype(np.uint8) for i in range(MASKS)]
        self._count = 0

    def describe(self) -> dict[str, str]:
        return {"backend": "none", "version": "", "device": "cpu"}

    def _submit(self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]) -> None:
        letterboxes[0].fit(frames[0], out=self._input)

    def _result(self) -> tuple[Sequence[Prediction], dict[str, int]]:
        self._count += 1
        return [Prediction(self._masks[self._count % MASKS])], {}

    def _close(self) -> None:
        pass


class Sleeping(Instant):
    """Simulated: fits frames like any session; its inference takes `inference_ms` by the clock, and no CPU."""

    def __init__(self, inference_ms: float) -> None:
        super().__init__()
        self._inference_ms = inference_ms

    def _result(self) -> tuple[Sequence[Prediction], dict[str, int]]:
        begin = time.perf_counter_ns()
        predictions, _ = super()._result()
        while (rest_s := self._inference_ms / 1e3 - (time.perf_counter_ns() - begin) / 1e9) > 0:
            time.sleep(rest_s)
        return predictions, {"infer": time.perf_counter_ns() - begin}


class Prepared(Source):
    """Frames that are in memory already, one after another and from the first again, `count` in all."""

    live, name, fps = False, "memory", 30.0

    def __init__(self, frames: list[UInt8], count: int) -> None:
        """frames: (h, w, 3) uint8 each, of one size."""
        super().__init__()
        self._frames = frames
        self.size = (frames[0].shape[0], frames[0].shape[1])
        self.frame_count: int = count

    def _grab(self) -> bool:
        return self._number < self.frame_count

    def _retrieve(self) -> UInt8:
        return self._frames[self._number % len(self._frames)]

    def close(self) -> None:
        pass


class Discard:
    """A sink that takes drawn frames and does nothing with them."""

    def write(self, shot: Shot) -> None:
        pass
