"""The peer's file as a session of ours, so that one code scores and times both."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgeunet.board.machine import physical_cores
from edgeunet.imaging.letterbox import Letterbox
from edgeunet.imaging.pixels import Pixels, UInt8
from edgeunet.runtime.cpu.openvino_session import core
from edgeunet.runtime.session import Prediction, Session
from edgeunet.spec import ClassInfo, ModelSpec

Infer = Callable[[NDArray[Any]], NDArray[Any]]


def openvino_infer(path: Path, precision: str = "f32") -> Infer:
    """What runs a .onnx or .xml file in OpenVINO on all cores: its one input → its first output.

    precision: what float tensors may be computed in, "f32" or "bf16"; OpenVINO's own choice is bf16 where the CPU has
    it.
    """
    settings = {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": physical_cores(), "INFERENCE_PRECISION_HINT": precision}
    request = core().compile_model(core().read_model(str(path)), "CPU", settings).create_infer_request()

    def infer(value: NDArray[Any]) -> NDArray[Any]:
        request.infer([value], share_inputs=True)
        return np.asarray(request.get_output_tensor(0).data)

    return infer


def onnxruntime_infer(path: Path) -> Infer:
    """What runs a .onnx file in ONNX Runtime on all cores: its one input → its first output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = physical_cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # CPU time is measured
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda value: np.asarray(session.run(None, {name: value})[0])


class PeerSession(Session):
    """A file of theirs: float RGB of 0 to 1, [1, 3, H, W] → a class map [1, H, W]."""

    def __init__(self, infer: Infer, classes: tuple[ClassInfo, ...], size: tuple[int, int]) -> None:
        """size: (H, W). The letterbox is ours; theirs is the same, with bars of the same grey."""
        super().__init__(ModelSpec(classes, size))
        self._infer = infer
        self._fitted = np.empty((*size, 3), np.uint8)

    def describe(self) -> dict[str, str]:
        return {"backend": "peer", "version": "", "device": "cpu"}

    def _submit(self, frames: Sequence[Pixels], letterboxes: Sequence[Letterbox]) -> None:
        letterboxes[0].fit(frames[0], out=self._fitted)

    def _result(self) -> tuple[Sequence[Prediction], dict[str, int]]:
        begin = time.perf_counter_ns()
        mask = self._infer(input_of(self._fitted))[0].astype(np.uint8)
        return [Prediction(mask)], {"infer": time.perf_counter_ns() - begin}

    def _close(self) -> None:
        pass


def input_of(fitted: UInt8) -> NDArray[np.float32]:
    """uint8 [H, W, 3] BGR → what their networks take, float32 [1, 3, H, W] RGB of 0 to 1, by OpenCV."""
    return np.asarray(cv2.dnn.blobFromImage(fitted, 1 / 255, swapRB=True), np.float32)
