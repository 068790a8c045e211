"""What runs in the peer's own Python: its training, its export and its video loop, through its public interface.

`PEER_PYTHON -m benchmarks.studies.peers.peer_program train|export|loop MODEL SETTINGS`, the settings as JSON; train and
export take those of its documentation. The last line of stdout is what was found, as JSON.
Ultralytics is under AGPL-3.0: it runs as a program of its own, and nothing of it is kept here.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import sys
import threading
import time
import zlib
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import torch

from benchmarks.studies.peers.cpu_time import count_cpu_time

WARM_UP = 10  # frames: the first load, compile and allocate
FIRST = "the first mask is there"  # its words to the study
BAND = 64  # rows of a frame that hold its stamp


@cache  # they cannot be declared twice
def define_operators() -> None:
    """Let torchvision be imported where its compiled part does not load, as next to a torch of another build.

    Semantic segmentation uses none of its operators; they are only declared.
    """
    found = importlib.util.find_spec("torchvision")
    files = Path(str(found.origin)).parent.glob("_C*.so") if found else ()
    try:
        for file in files:
            torch.ops.load_library(str(file))  # type: ignore[no-untyped-call]
    except OSError:
        _DECLARED.append(library := torch.library.Library("torchvision", "DEF"))  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]


def loop(model: Any, source: str, *, draw: bool = False, live: bool = False, **settings: Any) -> dict[str, Any]:
    """Its loop over a source: frames per second without the first ones, and how many frames there were.

    draw: each frame with its mask. live: end when stdin is closed, also if it hangs, and give of every mask when it was
    there (time.perf_counter_ns()) and the lowest rows of its frame, where a camera of this study has a stamp.
    """
    masks: list[tuple[int, Any]] = []
    if live:
        threading.Thread(target=_end_with, args=(masks,), daemon=True).start()
    busy = 0.0
    for result in model.predict(source, stream=True, verbose=False, **settings):
        if draw:
            result.plot()
        masks.append((time.perf_counter_ns(), result.orig_img[-BAND:].copy() if live else None))
        if len(masks) == 1:
            print(FIRST, file=sys.stderr, flush=True)  # noqa: T201
        if len(masks) == WARM_UP:
            busy = time.process_time()
    counted = len(masks) - WARM_UP
    if live or counted < 1:
        return _found(masks)
    duration_s = (masks[-1][0] - masks[WARM_UP - 1][0]) / 1e9
    worked = 1000 * (time.process_time() - busy) / counted
    return {"frames": len(masks), "fps": counted / duration_s, "cpu_ms": worked}


def _found(masks: list[tuple[int, Any]]) -> dict[str, Any]:
    bands = [base64.b64encode(zlib.compress(band.tobytes(), 1)).decode() for _, band in masks if band is not None]
    width = masks[0][1].shape[1] if bands else 0
    return {"frames": len(masks), "times_ns": [at for at, _ in masks], "width": width, "bands": bands}


def _end_with(masks: list[tuple[int, Any]]) -> None:
    """Once stdin is closed, say what was found so far, and end whatever the loop waits for."""
    sys.stdin.read()
    print(json.dumps(_found(list(masks))), file=sys.__stdout__, flush=True)
    os._exit(0)


def main(action: str, model: str, text: str) -> None:
    """Run one action of theirs; its words go to stderr."""
    settings = json.loads(text)
    with redirect_stdout(sys.stderr):
        define_operators()
        if action == "train":
            torch.set_num_threads(1)
            count_cpu_time()
        from ultralytics import YOLO

        yolo = YOLO(model, task="semantic")
        if action == "loop":
            found: Any = loop(yolo, **settings)
        else:
            getattr(yolo, action)(**settings)
            found = {"cpu_s": time.process_time()}
    print(json.dumps(found))  # noqa: T201 - what the study reads


_DECLARED: list[Any] = []  # a library's operators go with it

if __name__ == "__main__":
    main(*sys.argv[1:])
