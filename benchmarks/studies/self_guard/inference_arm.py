"""The arm that runs the network of network.py in a tree's session, one frame after another: `inference_arm MODEL`."""

from __future__ import annotations

import sys
import time

import cv2
import numpy as np

from edgeunet.runtime import open_session
from edgeunet.samples import DATASET
from edgeunet_bench.guard.running.protocol import answers, serve

WARM_S = 0.5
FACTS = ("backend", "version", "device", "threads")  # that sessions of both trees have


def main() -> None:
    with answers() as out:
        picture = min((DATASET / "images" / "val").iterdir())
        frame = np.asarray(cv2.imread(str(picture)), np.uint8)
        with open_session(sys.argv[3], threads=1, backend="onnxruntime") as session:

            def call(_: int) -> float:
                begin = time.perf_counter_ns()
                session.run(frame)
                return (time.perf_counter_ns() - begin) / 1e6

            end = time.perf_counter() + WARM_S
            while time.perf_counter() < end:
                call(0)
            serve(out, {fact: session.describe()[fact] for fact in FACTS}, call)
