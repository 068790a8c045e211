"""The session on ONNX Runtime: the embedded default on any machine without TensorRT."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from edgeunet.board.machine import physical_cores
from edgeunet.errors import ModelFileError
from edgeunet.frames import Fitting, UInt8
from edgeunet.parts import missing
from edgeunet.runtime.session import Session
from edgeunet.spec import METADATA_KEY, ModelSpec


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise missing("onnxruntime") from error
    return onnxruntime


class OnnxRuntimeSession(Session):
    """Runs a .onnx file on the CPU.

    Set for the latency of one frame: all physical cores work on one frame, one operator after
    another, and input and output are bound once to buffers that stay. The one allocation left
    for each frame is the mask that the caller keeps.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None) -> None:
        """Open the model; raises ModelFileError if it is damaged or without a spec."""
        ort = _onnxruntime()
        self._threads = threads or physical_cores()
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3  # errors only; they come as exceptions too
        # Idle threads that spin take the cores from camera and encoder. Measured with nano, 256×320, on 2 cores: one
        # frame alone takes 3.6 % longer without (23.7 ms), the camera loop makes 12 % more frames a second; beside
        # other busy processes one frame takes 57 ms instead of 96.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(
                str(path),
                options,
                providers=["CPUExecutionProvider"],
                # It would quantise the float biases: 1.4 % off an exact simulation with it, 0.44 % without.
                disabled_optimizers=["WeightBiasQuantization"],
            )
        except Exception as error:  # ONNX Runtime raises bare pybind classes, a new one for each cause
            reason = " ".join(str(error).split())[:160]
            raise ModelFileError(f"{path} is not a model that ONNX Runtime can load: {reason}") from error
        metadata = self._session.get_modelmeta().custom_metadata_map
        if METADATA_KEY not in metadata:
            raise ModelFileError(f"{path} has no edgeunet spec in its metadata: make it with `edgeunet export onnx`")
        super().__init__(ModelSpec.from_json(metadata[METADATA_KEY], origin=str(path)))
        tensors = {t.name: t.type for t in (*self._session.get_inputs(), *self._session.get_outputs())}
        if any(tensors.get(name) != "tensor(uint8)" for name in ("frame", "mask")):
            raise ModelFileError(
                f"{path} has the tensors {', '.join(tensors)}; a model of ours has frame and mask, both uint8: "
                "make it with `edgeunet export onnx`"
            )
        self._version: str = ort.__version__
        height, width = self.spec.input_size
        self._input = np.empty((1, height, width, 3), np.uint8)
        self._output = np.empty((1, height, width), np.uint8)
        self._binding = self._session.io_binding()
        self._bind(ort)

    def _bind(self, ort: Any) -> None:
        # An OrtValue made from a numpy array shares its memory.
        self._values = [ort.OrtValue.ortvalue_from_numpy(a) for a in (self._input, self._output)]
        self._binding.bind_ortvalue_input("frame", self._values[0])
        self._binding.bind_ortvalue_output("mask", self._values[1])

    def describe(self) -> dict[str, str]:
        return {"backend": "onnxruntime", "version": self._version, "device": "cpu", "threads": str(self._threads)}

    def _submit(self, frame: UInt8, fitting: Fitting) -> None:
        fitting.fit(frame, out=self._input[0])

    def _result(self) -> tuple[UInt8, dict[str, int]]:
        begin = time.perf_counter_ns()
        self._session.run_with_iobinding(self._binding)
        mask = self._output[0].copy()
        return mask, {"infer": time.perf_counter_ns() - begin}

    def _close(self) -> None:
        del self._binding, self._values, self._session
