"""INT8 candidates tried on calibration frames: the difference of their logits from the float model's."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from edgeunet.errors import ModelFileError
from edgeunet.evaluation.metrics import agreement
from edgeunet.imaging.letterbox import UInt8
from edgeunet.imaging.tiling import fitted_tiles
from edgeunet.spec import ModelSpec
from edgeunet_export.calibration.frames import read_frames
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import onnx_session
from edgeunet_export.graph.narrow import rounded
from edgeunet_export.int8.candidate import Candidate

MASK = "mask"
_FEW = 3
"""Frames that show roughly how far a candidate is off; of 16, that takes a fifth of the time."""


@dataclass(frozen=True)
class LogitDeviation:
    """Of an INT8 model from the float one, over all frames.

    error: sum of the squared differences of the logits over the sum of their squares; infinite if one is not finite.
    agreement: share of pixels, 0 to 1, with the same class.
    """

    error: float
    agreement: float


class _OnFrame(NamedTuple):
    """squares: sum of the squared differences of the logits. agreement: share of pixels with the same class."""

    squares: float
    agreement: float


class Trials:
    """Some frames, the float model's logits and masks for them, and the deviations of the candidates so far.

    Equal INT8 models are run once on a frame.
    """

    def __init__(self, model: FloatModel, spec: ModelSpec, images: Sequence[Path]) -> None:
        """Raises ModelFileError if no float tensor decides the mask, DatasetError for a damaged image."""
        self.frames: list[UInt8] = []  # [1, H, W, channels] each: of an image one tile, of the next another
        for number, (_, frame) in enumerate(read_frames(images, spec)):
            tiles = fitted_tiles(frame, spec)
            self.frames.append(tiles[number % len(tiles)])
        self._logits = decided_by(model)
        self._expected = list(self.observed(model.proto, [self._logits, MASK]))
        self._powers = [_squares(expected[self._logits]) for expected in self._expected]
        self._known: dict[bytes, dict[int, _OnFrame]] = {}  # by the INT8 model's hash and the frame's number

    @property
    def evaluations(self) -> int:
        """Models that were run, on all frames or on a few."""
        return len(self._known)

    def deviation(self, candidate: Candidate, *, rough: bool = False) -> LogitDeviation:
        """Over all frames; rough: over a few of them, spread over all."""
        frames = range(0, len(self.frames), -(-len(self.frames) // _FEW) if rough else 1)
        key = hashlib.sha256(candidate.int8.SerializeToString(deterministic=True)).digest()
        known = self._known.setdefault(key, {})
        if new := [number for number in frames if number not in known]:
            known.update(zip(new, self._run(candidate.int8, new), strict=True))
        power = sum(self._powers[number] for number in frames)
        squares = sum(known[number].squares for number in frames)
        relative = squares / power if power else squares
        agreements = [known[number].agreement for number in frames]
        return LogitDeviation(relative if math.isfinite(relative) else math.inf, float(np.mean(agreements)))

    def observed(
        self, model: ModelProto, tensors: Sequence[str], frames: Sequence[int] | None = None
    ) -> Iterator[dict[str, NDArray[np.float32]]]:
        """The values of these float tensors, and of the mask if it is asked for, for one frame after another.

        frames: their numbers; all if None.

        A float16 model computes what float16 hardware does, but its values come as float32.
        """
        session = onnx_session(_showing(rounded(model), tensors))
        for frame in self.frames if frames is None else [self.frames[number] for number in frames]:
            yield dict(zip(tensors, session.run(list(tensors), {"frame": frame}), strict=True))

    def _run(self, model: ModelProto, frames: Sequence[int]) -> Iterator[_OnFrame]:
        for number, got in zip(frames, self.observed(model, [self._logits, MASK], frames), strict=True):
            expected = self._expected[number]
            masks = (values[MASK].astype(np.uint8) for values in (got, expected))
            yield _OnFrame(_squares(got[self._logits] - expected[self._logits]), agreement(*masks))


def decided_by(model: FloatModel) -> str:
    """The float tensor that decides the class of a pixel: the input of ArgMax or Greater.

    Raises ModelFileError if there is none.
    """
    types = model.types
    producer = {output: node for node in model.proto.graph.node for output in node.output}
    tensor = MASK
    while tensor in producer:
        node = producer[tensor]
        if node.op_type != "Cast":
            if types.get(tensor) == TensorProto.FLOAT:
                return tensor
            floats = [t for t in node.input if types.get(t) == TensorProto.FLOAT and t in producer]
            if floats:
                return str(floats[0])
        tensor = node.input[0]
    raise ModelFileError("the model computes its mask from no float tensor: give a model with an ArgMax or a Greater")


def _showing(model: ModelProto, tensors: Sequence[str]) -> ModelProto:
    """The part of a model that computes these tensors, with these tensors as its outputs."""
    graph = model.graph
    needed, nodes = set(tensors), []
    for node in reversed(graph.node):
        if not needed.isdisjoint(node.output):
            needed.update(node.input)
            nodes.append(node)
    # Without a shape in the file, ONNX Runtime infers it.
    types = {MASK: TensorProto.UINT8}
    outputs = [helper.make_tensor_value_info(t, types.get(t, TensorProto.FLOAT), None) for t in tensors]
    constants = [tensor for tensor in graph.initializer if tensor.name in needed]
    part = helper.make_graph(nodes[::-1], graph.name, graph.input, outputs, constants)
    return helper.make_model(part, opset_imports=model.opset_import, ir_version=model.ir_version)


def _squares(values: NDArray[np.float32]) -> float:
    # In float64: a sum of millions of float32 squares loses digits, and NaN must come out as it is.
    return float(np.square(values, dtype=np.float64).sum())
