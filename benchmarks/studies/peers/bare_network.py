"""From a frame in memory to its class mask: every file of every network, in turn in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.studies.peers.exported_files import ExportedFiles
from benchmarks.studies.peers.peer_session import Infer, input_of, onnxruntime_infer, openvino_infer
from benchmarks.studies.study import rounds_of
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.imaging.pixels import UInt8
from edgeunet.spec import ClassInfo, ModelSpec

KINDS: dict[str, tuple[bool, Callable[[Path], Infer]]] = {  # whether of the INT8 file, and what runs it
    "OpenVINO f32": (False, openvino_infer),
    "OpenVINO bf16": (False, lambda path: openvino_infer(path, "bf16")),
    "OpenVINO INT8": (True, openvino_infer),
    "ONNX Runtime fp32": (False, onnxruntime_infer),
    "ONNX Runtime INT8": (True, onnxruntime_infer),
}
Arm = tuple[str, str]  # of a network, "import of" one of theirs included, and of a kind


def arms_of(
    files: Sequence[ExportedFiles], frame: UInt8, classes: tuple[ClassInfo, ...], size: tuple[int, int]
) -> dict[Arm, Callable[[], Any]]:
    """What makes one mask of the frame, for each file and kind that there is."""
    letterbox = Letterbox.of((frame.shape[0], frame.shape[1]), ModelSpec(classes, size))
    arms: dict[Arm, Callable[[], Any]] = {}

    def add(name: str, fp32: Path | None, int8: Path | None, prepared: Callable[[UInt8], Any]) -> None:
        for kind, (is_int8, opened) in KINDS.items():
            path = int8 if is_int8 else fp32
            if path is None or (path.suffix == ".xml" and "ONNX" in kind):
                continue
            arms[name, kind] = partial(_mask, opened(path), prepared, letterbox, frame)

    for each in files:
        name = each.network.name
        if each.network.is_theirs:
            add(name, each.own_fp32, each.own_int8, input_of)
            name = f"import of {name}"
        add(name, each.fp32, each.int8, lambda fitted: fitted[None])
    return arms


def _mask(infer: Infer, prepared: Callable[[UInt8], Any], letterbox: Letterbox, frame: UInt8) -> Any:
    return infer(prepared(letterbox.fit(frame)))


def bare_times(arms: dict[Arm, Callable[[], Any]], rounds: int) -> dict[str, Any]:
    """Median times of every arm, and of each network of theirs over each of ours, kind by kind.

    wall_ms: by the clock, which other programs change. cpu_ms: what all cores worked for it. A ratio is the median over
    the rounds of the CPU time of theirs over ours, above 1 where ours takes less.
    """
    wall: dict[Arm, list[float]] = {arm: [] for arm in arms}
    worked: dict[Arm, list[float]] = {arm: [] for arm in arms}
    for number in rounds_of(rounds + 1):
        for arm, work in arms.items():
            begin, busy = time.perf_counter(), time.process_time()
            work()
            if number:  # the first allocates
                worked[arm].append(1000 * (time.process_time() - busy))
                wall[arm].append(1000 * (time.perf_counter() - begin))
    names = list(dict.fromkeys(name for name, _ in arms))
    theirs = [name for name in names if "yolo" in name]
    return {
        "times": {
            name: {
                kind: {"wall_ms": _median(wall[name, kind]), "cpu_ms": _median(worked[name, kind])}
                for kind in KINDS
                if (name, kind) in arms
            }
            for name in names
        },
        "cpu_ratio": {
            f"{peer} / {own}": {
                kind: _median(np.divide(worked[peer, kind], worked[own, kind]))
                for kind in KINDS
                if (peer, kind) in arms and (own, kind) in arms
            }
            for peer, own in product(theirs, [name for name in names if name not in theirs])
        },
    }


def _median(values: Any) -> float:
    return round(float(np.median(values)), 2)
