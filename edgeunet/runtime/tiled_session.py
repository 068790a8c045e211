"""The session of a model whose frames are cut into tiles: any backend's session, once for each tile."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np

from edgeunet.errors import EdgeUNetError
from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels
from edgeunet.imaging.tiling import Tiling
from edgeunet.runtime.session import Prediction, Result, Session


def tiled(session: Session) -> Session:
    """The session itself, or what cuts its frames into tiles, as its spec says."""
    return session if session.spec.tiles == (1, 1) else TiledSession(session)


class TiledSession(Session):
    """Fits a frame to the canvas of all tiles, runs them, and joins their masks: Result.mask is that of the canvas.

    Where the backend gives logits, those of neighbours are blended. An engine's stay on the GPU: its masks are joined.
    Confidence is joined like a mask; a frame is as familiar as its least familiar tile.

    It takes one frame at a time. Tiles run one after another, as many at a time as the backend has in flight. One batch
    of all is 1.06 to 1.4 times the work in ONNX Runtime, 0.83 to 0.96 in OpenVINO, on 2 cores that others used too
    (benchmarks/results/tiles.json), and needs as many times the memory.

    Stages: "fit" and the backend's, each the sum over the tiles, and "join".
    """

    def __init__(self, session: Session) -> None:
        """session: of the same file; from here on it belongs to this one, and takes single tiles."""
        super().__init__(session.spec)
        session.spec = replace(session.spec, tiles=(1, 1), levels=())  # the canvas is levelled
        self._session, self.large = session, session.large
        self._tiling = Tiling.of(self.spec)
        self._canvas: UInt8 = np.empty((*self.spec.fitted_size, self.spec.channels), np.uint8)
        self._left: deque[UInt8] = deque()  # tiles that are still to be submitted
        self._running = 0
        self._fit_ns = 0

    def describe(self) -> dict[str, str]:
        rows, columns = self.spec.tiles
        return {**self._session.describe(), "tiles": f"{rows}x{columns}"}

    def _submit(self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]) -> None:
        begin = time.perf_counter_ns()
        self._left.extend(self._tiling.cut(letterboxes[0].fit(frames[0], out=self._canvas)))
        self._fit_ns = time.perf_counter_ns() - begin
        try:
            self._start_tiles()
        except BaseException:
            self._drop_tiles()
            raise

    def _result(self) -> tuple[Sequence[Prediction], dict[str, int]]:
        results: list[Result] = []
        try:
            while self._running:
                self._running -= 1
                results.append(self._session.result())
                self._start_tiles()
        except BaseException:
            self._drop_tiles()
            raise
        times = Counter({"fit": self._fit_ns})
        for result in results:
            times.update(result.times_ns)
        begin = time.perf_counter_ns()
        logits = [result.logits for result in results if result.logits is not None]
        mask = self._tiling.blend(logits) if logits else self._tiling.join([result.mask for result in results])
        confidence = [result.confidence for result in results if result.confidence is not None]
        familiarity = [result.familiarity for result in results if result.familiarity is not None]
        joined = Prediction(
            mask,
            confidence=self._tiling.join(confidence) if confidence else None,
            familiarity=min(familiarity, default=None),
        )
        return [joined], {**times, "join": time.perf_counter_ns() - begin}

    def _close(self) -> None:
        self._session.close()

    def _start_tiles(self) -> None:
        while self._left and self._running < self._session.capacity:
            self._session.submit(self._left.popleft())
            self._running += 1

    def _drop_tiles(self) -> None:
        """Forget the frame in work, so that the next one begins with its own tiles."""
        self._left.clear()
        while self._running:
            self._running -= 1
            with suppress(EdgeUNetError):
                self._session.result()
