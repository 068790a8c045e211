"""What a float network shows on frames: its logits where there are labels, and the features of every tile."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels
from edgeunet.imaging.tiling import Tiling, fitted_tiles
from edgeunet.spec import IGNORE, ModelSpec
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import onnx_session
from edgeunet_export.trust.output_nodes import LEAST_SHARE, DecidingScores

_PIXELS = 4000
"""Of a tile, chosen at random, that the temperature is fitted on: neighbours say the same."""


@dataclass(frozen=True, eq=False)
class Observed:
    """Of several frames.

    features: float64 [n, C], the means of the map for each tile; [n, 0] without one.
    largest: [n], the means of the largest logits. frames: [n], the number of the frame of each tile.
    logits: [p, C] of some labelled pixels. labels: [p], the channels of their classes.
    """

    features: NDArray[np.float64]
    largest: NDArray[np.float64]
    frames: NDArray[np.intp]
    logits: NDArray[np.float64]
    labels: NDArray[np.intp]


class ShownNetwork:
    """A network with its scores and one map as outputs. scores: what decides the classes."""

    def __init__(self, model: FloatModel, spec: ModelSpec, feature_map: str) -> None:
        self.scores = DecidingScores.of(model)
        self._spec = spec
        self._channel_of = np.arange(256)
        self._channel_of[list(self.scores.order)] = np.arange(len(self.scores.order))
        shown = type(model.proto)()
        shown.CopyFrom(model.proto)
        del shown.graph.output[:]
        self._names = list(filter(None, [self.scores.tensor, feature_map]))
        shown.graph.output.extend(helper.make_tensor_value_info(t, TensorProto.FLOAT, None) for t in self._names)
        self._session = onnx_session(shown, arena=True)

    def observed(self, frames: Iterable[tuple[Pixels, UInt8 | None]]) -> Observed:
        """Run frames, each with its label [h, w] or None; at least one frame."""
        rng = np.random.default_rng(0)
        features, largest, numbers, pixels, classes = [], [], [], [], []
        for number, (frame, label) in enumerate(frames):
            tiles = fitted_tiles(frame, self._spec)
            labels = [None] * len(tiles) if label is None else _label_tiles(label, self._spec)
            for tile, of_tile in zip(tiles, labels, strict=True):
                logits, *maps = self._session.run(self._names, {"frame": tile})
                half = self._logits(logits)
                features.append(maps[0][0].mean((1, 2), dtype=np.float64) if maps else np.empty(0))
                largest.append(self._largest(half).mean())
                numbers.append(number)
                if of_tile is not None:
                    places = np.flatnonzero(of_tile[::2, ::2] != IGNORE)
                    places = rng.permutation(places)[:_PIXELS]
                    pixels.append(half.reshape(len(half), -1)[:, places].T)
                    classes.append(self._channel_of[of_tile[::2, ::2].ravel()[places]])
        return Observed(
            np.array(features, np.float64),
            np.array(largest, np.float64),
            np.array(numbers),
            np.concatenate(pixels).astype(np.float64) if pixels else np.empty((0, 0)),
            np.concatenate(classes).astype(np.intp) if classes else np.empty(0, np.intp),
        )

    def _logits(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """[1, C, H, W] → [C, h, w] of every second row and column."""
        half: NDArray[np.float32] = scores[0, :, ::2, ::2]
        if self.scores.shares:
            return np.asarray(np.log(np.maximum(half, np.float32(LEAST_SHARE))))
        return half

    def _largest(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.scores.threshold is not None:
            return np.asarray(np.abs(logits[0] - np.float32(self.scores.threshold)))
        return np.asarray(logits.max(0))


def _label_tiles(label: UInt8, spec: ModelSpec) -> list[UInt8]:
    """A label at its frame's size → that of each tile, IGNORE in the bars."""
    letterbox = Letterbox.of((label.shape[0], label.shape[1]), spec)
    canvas = np.full(spec.fitted_size, IGNORE, np.uint8)
    size = (letterbox.width, letterbox.height)
    letterbox.inside(canvas)[:] = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST)
    return Tiling.of(spec).cut(canvas)
