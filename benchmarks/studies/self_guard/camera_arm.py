"""The arm that runs a tree's camera loop without inference: `camera_arm`.

One frame at a time, from memory through reader, session, overlay and sink; its time is what the loop costs per frame.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from queue import SimpleQueue

import numpy as np

from benchmarks.studies.camera.instant import Instant
from edgeunet.camera.frame import Shot
from edgeunet.camera.loop.loop import Loop
from edgeunet.camera.sources.source import Source
from edgeunet.imaging.letterbox import UInt8
from edgeunet_bench.guard.running.protocol import answers, serve

SIZE = (540, 960)  # (height, width) of the demo's clip
WARM_FRAMES = 100


class OnDemand(Source):
    """The same frame, whenever it is asked for; the end once 0 are asked for."""

    live, name, size, fps = False, "memory", SIZE, 0.0

    def __init__(self) -> None:
        super().__init__()
        self.asked: SimpleQueue[int] = SimpleQueue()
        self._frame = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)

    def _grab(self) -> bool:
        return self.asked.get() > 0

    def _retrieve(self) -> UInt8:
        return self._frame

    def close(self) -> None:
        pass


class Done:
    """A sink that reports each frame that arrives."""

    def __init__(self) -> None:
        self.frames: SimpleQueue[int] = SimpleQueue()

    def write(self, shot: Shot) -> None:
        self.frames.put(shot.frame.number)


def main() -> None:
    with answers() as out:
        source, sink = OnDemand(), Done()
        with Instant() as session:
            loop = Loop(session, {"memory": source}, [nullcontext(sink)])
            loop.start()

            def call(_: int) -> float:
                begin = time.perf_counter_ns()
                source.asked.put(1)
                sink.frames.get(timeout=10)
                return (time.perf_counter_ns() - begin) / 1e6

            for i in range(WARM_FRAMES):
                call(i)
            serve(out, {}, call)
            source.asked.put(0)
            loop.finish()
