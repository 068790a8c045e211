"""The loop as tutorials write it, one step after another: what the camera loop is measured against.

Read, resize, normalise in numpy to float [1, 3, H, W], ONNX Runtime with its default options, argmax in numpy,
draw. The network is the same file, cut to what a tutorial's export has: a float input and logits.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnx.utils
import onnxruntime
from numpy.typing import NDArray

from edgeunet.errors import ModelFileError
from edgeunet.imaging.letterbox import PADDING, Letterbox, UInt8
from edgeunet.spec import METADATA_KEY, ModelSpec


class PlainLoop:
    """One model, for use on one thread."""

    def __init__(self, path: Path, opacity: float | None = None) -> None:
        """opacity: of the class colours, 0 to 1; without one nothing is drawn.

        Raises ModelFileError if the file has no spec, or no convolution before a class decision to cut between."""
        model = onnx.load(path)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        if METADATA_KEY not in metadata:
            raise ModelFileError(f"{path} has no edgeunet spec in its metadata: make it with `edgeunet export onnx`")
        self.spec = ModelSpec.from_json(metadata[METADATA_KEY], origin=str(path))
        network, normalised = _cut(model, path)
        self._mean = np.array(self.spec.mean if normalised else (0, 0, 0), np.float32)
        self._session = onnxruntime.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._colors = np.array([c.color[::-1] for c in self.spec.classes], np.uint8)
        self._opacity = opacity

    def run(self, clip: Path) -> float:
        """All frames of a video; frames per second."""
        capture = cv2.VideoCapture(str(clip))
        count, begin = 0, time.perf_counter()
        while True:
            found, frame = capture.read()
            if not found:
                break
            pixels = np.asarray(frame, np.uint8)
            mask = self.segment(pixels)
            count += 1
            if self._opacity is not None:
                self._draw(pixels, mask, count / (time.perf_counter() - begin), self._opacity)
        seconds = time.perf_counter() - begin
        capture.release()
        return count / seconds

    def segment(self, frame: UInt8) -> UInt8:
        """uint8 [h, w, 3] → uint8 [H, W]."""
        letterbox = self._letterbox(frame)
        small = cv2.resize(frame, (letterbox.width, letterbox.height))
        bottom = letterbox.input_size[0] - letterbox.top - letterbox.height
        right = letterbox.input_size[1] - letterbox.left - letterbox.width
        small = cv2.copyMakeBorder(
            small, letterbox.top, bottom, letterbox.left, right, cv2.BORDER_CONSTANT, value=(PADDING,) * 3
        )
        # The division by the standard deviation is in the weights, as in the model file.
        x: NDArray[np.float32] = small.astype(np.float32) - self._mean
        x = np.ascontiguousarray(x.transpose(2, 0, 1)[None])
        logits: NDArray[np.float32] = self._session.run(None, {self._input: x})[0][0]
        mask = logits.argmax(axis=0) if self.spec.logits > 1 else logits.reshape(self.spec.input_size) > 0
        return mask.astype(np.uint8)

    def _draw(self, frame: UInt8, mask: UInt8, fps: float, opacity: float) -> None:
        height, width = frame.shape[:2]
        letterbox = self._letterbox(frame)
        colors = letterbox.inside(self._colors[mask])
        colors = np.asarray(cv2.resize(colors, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
        drawn = cv2.addWeighted(frame, 1 - opacity, colors, opacity, 0)
        for index, info in enumerate(self.spec.classes):
            y = 30 + 24 * index
            cv2.rectangle(drawn, (16, y - 12), (30, y + 2), info.color[::-1], cv2.FILLED)
            cv2.putText(drawn, info.name, (38, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1)
        text_y = 30 + 24 * len(self.spec.classes)
        cv2.putText(drawn, f"{fps:.1f} fps", (16, text_y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1)

    def _letterbox(self, frame: UInt8) -> Letterbox:
        return Letterbox.of((frame.shape[0], frame.shape[1]), self.spec)


def _cut(model: onnx.ModelProto, path: Path) -> tuple[onnx.ModelProto, bool]:
    """The network between normalisation and class decision, and whether the mean was subtracted before the cut."""
    producers: dict[str, Any] = {name: node for node in model.graph.node for name in node.output}
    first = next((node for node in model.graph.node if node.op_type == "Conv"), None)
    decision = next((node for node in model.graph.node if node.op_type in ("ArgMax", "Greater")), None)
    if first is None or decision is None:
        raise ModelFileError(f"{path} has no convolution and class decision (ArgMax, Greater): export it again")
    begin = first.input[0]
    while producers[begin].op_type in ("QuantizeLinear", "DequantizeLinear"):
        begin = producers[begin].input[0]
    network = onnx.utils.Extractor(onnx.shape_inference.infer_shapes(model)).extract_model([begin], [decision.input[0]])
    return network, producers[begin].op_type == "Sub"
