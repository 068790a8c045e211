"""Tiles: overlapping parts of a fitted frame, each of the network's input size, and one mask from all of theirs.

A tiled model fits a frame to the canvas, `spec.fitted_size`; the letterbox does not know of tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from edgeunet.imaging.letterbox import Letterbox, UInt8
from edgeunet.imaging.pixels import Pixels
from edgeunet.spec import ModelSpec

Float32 = NDArray[np.float32]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class _Span:
    """A tile along one side of the canvas, in pixels from start to stop.

    before, after: how many of them it shares with its neighbours. A shared pixel belongs to the tile in which it lies
    farther from the edge; in the middle of an odd number to the first.
    """

    start: int
    stop: int
    before: int
    after: int

    @property
    def place(self) -> slice:
        """In the canvas."""
        return slice(self.start, self.stop)

    @property
    def own(self) -> slice:
        """The pixels of the canvas that belong to it."""
        return slice(self.start + (self.before + 1) // 2, self.stop - self.after // 2)

    @property
    def inside(self) -> slice:
        """The same pixels in the tile."""
        return slice(self.own.start - self.start, self.own.stop - self.start)

    @property
    def weights(self) -> Float32:
        """[stop - start]: they rise with the distance from an edge, and those of two neighbours add to 1."""
        weights = np.ones(self.stop - self.start, np.float32)
        for shared, side in ((self.before, weights), (self.after, weights[::-1])):
            side[:shared] = (np.arange(shared) + 0.5) / max(1, shared)
        return weights


def _spans(count: int, side: int) -> list[_Span]:
    shared = side // 8
    starts = [index * (side - shared) for index in range(count)]
    return [_Span(start, start + side, shared if start else 0, shared if start < starts[-1] else 0) for start in starts]


@dataclass(frozen=True)
class Tiling:
    """How a canvas is cut. size: (height, width) of a tile in pixels. counts: (rows, columns) of tiles.

    Tiles come row by row, the upper left one first.
    """

    size: tuple[int, int]
    counts: tuple[int, int]

    @classmethod
    def of(cls, spec: ModelSpec) -> Tiling:
        return cls(spec.input_size, spec.tiles)

    @cached_property
    def _tiles(self) -> list[tuple[_Span, _Span]]:
        rows, columns = (_spans(count, side) for count, side in zip(self.counts, self.size, strict=True))
        return [(row, column) for row in rows for column in columns]

    def cut(self, canvas: UInt8) -> list[UInt8]:
        """uint8 [H, W, …] → a view of each tile."""
        return [canvas[row.place, column.place] for row, column in self._tiles]

    def join(self, parts: Sequence[NDArray[T]]) -> NDArray[T]:
        """A mask or a plane of numbers of each tile, [h, w] → the same of the canvas, [H, W].

        A pixel has its value from the tile in which it lies farthest from an edge.
        """
        joined = np.empty(self._canvas_size, parts[0].dtype)
        for part, (row, column) in zip(parts, self._tiles, strict=True):
            joined[row.own, column.own] = part[row.inside, column.inside]
        return joined

    def blend(self, logits: Sequence[Float32]) -> UInt8:
        """Logits of each tile, [C, h, w] → uint8 [H, W]: the class of their mean, by the distance from the edges.

        With one channel the class is 1 where the mean is positive.
        """
        mean = np.zeros((len(logits[0]), *self._canvas_size), np.float32)
        for values, (row, column) in zip(logits, self._tiles, strict=True):
            weights = row.weights[:, None] * column.weights
            mean[:, row.place, column.place] += values * weights
        return np.asarray(mean[0] > 0 if len(mean) == 1 else mean.argmax(0), dtype=np.uint8)

    @property
    def _canvas_size(self) -> tuple[int, int]:
        row, column = self._tiles[-1]
        return row.stop, column.stop


def fitted_tiles(frame: Pixels, spec: ModelSpec) -> Sequence[UInt8]:
    """uint8 [h, w, C] → the inputs of the model file, uint8 [1, H, W, C]: one for each tile, so one without tiles."""
    canvas = Letterbox.of((frame.shape[0], frame.shape[1]), spec).fit(frame)
    return [np.ascontiguousarray(tile)[None] for tile in Tiling.of(spec).cut(canvas)]
