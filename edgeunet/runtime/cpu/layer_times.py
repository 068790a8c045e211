"""The time that each layer of a .onnx file takes on the CPU, as the backend itself reports it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from edgeunet.runtime.cpu.onnxruntime_model import OrtModel
from edgeunet.runtime.cpu.openvino_session import core, read_model
from edgeunet.runtime.model_metadata import loadable, read_spec
from edgeunet.spec import Execution, ModelSpec

CALLS = 20
_OF_A_NODE = "_kernel_time"  # how ONNX Runtime's events of a node's work end


@dataclass(frozen=True)
class LayerTime:
    """name: of the layer in the backend's own graph, after its rewriting. kind: what runs there. ms: the median."""

    name: str
    kind: str
    ms: float


def layer_times(path: Path, execution: Execution) -> list[LayerTime]:
    """Of a .onnx file with one thread on an empty frame, the slowest layer first.

    execution: its backend and compute hold here. Measuring adds to short layers. Raises ModelFileError,
    MissingDependencyError.
    """
    spec = read_spec(path)
    openvino = execution.backend == "openvino"
    calls = _openvino(path, spec, execution.compute) if openvino else _onnxruntime(path, spec)
    times: Mapping[tuple[str, str], list[float]] = defaultdict(list)
    for name, kind, ms in calls:
        times[name, kind].append(ms)
    return sorted((LayerTime(*layer, median(ms)) for layer, ms in times.items()), key=lambda layer: -layer.ms)


def _openvino(path: Path, spec: ModelSpec, compute: str) -> Iterable[tuple[str, str, float]]:
    settings = {"PERF_COUNT": True, "INFERENCE_PRECISION_HINT": compute, "INFERENCE_NUM_THREADS": 1}
    request = core().compile_model(read_model(path, spec), "CPU", settings).create_infer_request()
    for _ in range(CALLS):
        request.infer({"frame": np.zeros((1, *spec.frame_shape), np.uint8)})
        for layer in request.get_profiling_info():
            yield layer.node_name, f"{layer.node_type} ({layer.exec_type})", layer.real_time.total_seconds() * 1e3


def _onnxruntime(path: Path, spec: ModelSpec) -> Iterable[tuple[str, str, float]]:
    with TemporaryDirectory(prefix="edgeunet-layers-") as folder:
        model = OrtModel(loadable(path), origin=str(path), threads=1, profile=Path(folder) / "layers")
        for _ in range(CALLS):
            model.run(None, {"frame": np.zeros((1, *spec.frame_shape), np.uint8)})
        events = json.loads(Path(model.session.end_profiling()).read_text(encoding="utf-8"))
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith(_OF_A_NODE):
            yield event["name"].removesuffix(_OF_A_NODE), event["args"]["op_name"], event["dur"] / 1e3
