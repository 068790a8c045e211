"""What a head at a part of the frame's resolution costs and saves, measured without training one.

Cost: labels themselves, averaged over squares of N×N pixels for each class and enlarged bilinearly, as the logits of
such a head are. Their mIoU and boundary F1 against the labels is the most that any network with that head can reach.
Saving: the part of a network's time that OpenVINO spends in layers of a finer resolution than that.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgeunet.data.dataset import Sample
from edgeunet.evaluation.boundary import boundary_f1, class_means
from edgeunet.evaluation.metrics import Confusion
from edgeunet.imaging.pixels import UInt8
from edgeunet.runtime.cpu.openvino_session import core

REDUCTIONS = (1, 2, 4, 8, 16)
PROFILED = 20  # frames


def through_head(label: UInt8, classes: int, reduction: int) -> UInt8:
    """A label, uint8 [h, w], as a head at 1/`reduction` of its resolution could give it at best."""
    height, width = label.shape
    small = (-(-width // reduction), -(-height // reduction))
    shares = np.stack([np.asarray(label == index, np.float32) for index in range(classes)])
    enlarged = [
        cv2.resize(
            cv2.resize(share, small, interpolation=cv2.INTER_AREA), (width, height), interpolation=cv2.INTER_LINEAR
        )
        for share in shares
    ]
    return np.asarray(np.argmax(np.stack(enlarged), axis=0), np.uint8)


def ceilings(samples: Iterable[Sample], classes: int) -> dict[str, dict[str, float]]:
    """For each reduction the highest mIoU and mean boundary F1, 0 to 1."""
    counted = {reduction: (Confusion(classes), []) for reduction in REDUCTIONS}  # type: dict[int, tuple[Confusion, list[Any]]]
    for sample in samples:
        for reduction, (confusion, outlines) in counted.items():
            mask = through_head(sample.mask, classes, reduction)
            confusion.add(sample.mask, mask)
            outlines.append(boundary_f1(sample.mask, mask, classes))
    return {
        f"1/{reduction}": {
            "miou": round(confusion.scores().miou, 4),
            "mean_boundary_f1": round(float(class_means(class_means(np.stack(outlines))[:, None])[0]), 4),
        }
        for reduction, (confusion, outlines) in counted.items()
    }


def time_by_resolution(path: Path, size: tuple[int, int]) -> dict[str, float]:
    """The share of a network's time in layers whose output has 1/1, 1/2, … of the input's rows, in OpenVINO, f32.

    path: a model file of our contract. size: (height, width) of its input. "other" has the rest: layers that are not of
    an image.
    """
    settings = {"PERF_COUNT": True, "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    compiled = core().compile_model(core().read_model(str(path)), "CPU", settings)
    request, frame = compiled.create_infer_request(), np.zeros((1, *size, 3), np.uint8)
    rows = {node.friendly_name: _rows(node) for node in compiled.get_runtime_model().get_ops()}
    shortest: dict[str, float] = {}  # of each layer: another program may interrupt any single one
    for _ in range(PROFILED):
        request.infer([frame])
        for layer in request.profiling_info:
            seconds = layer.real_time.total_seconds()
            shortest[layer.node_name] = min(seconds, shortest.get(layer.node_name, seconds))
    spent: dict[str, float] = {}
    for name, seconds in shortest.items():
        own = rows.get(name, 0)
        key = f"1/{size[0] // own}" if own and size[0] % own == 0 else "other"
        spent[key] = spent.get(key, 0.0) + seconds
    total = sum(spent.values())
    return {key: round(value / total, 4) for key, value in sorted(spent.items(), key=lambda item: len(item[0]))}


def _rows(node: Any) -> int:
    """Of a layer's output: [N, C, H, W], or a mask [N, H, W]; 0 if it has neither."""
    shape = node.output(0).partial_shape if node.get_output_size() else ()
    return int(shape[len(shape) - 2].get_length()) if len(shape) in (3, 4) else 0
