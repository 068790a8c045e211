"""What becomes of a network's output: the scores of each class, one logit, or classes → the mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from edgeunet.imaging.pixels import UInt8
from edgeunet_export.graph.fragment import Fragment

Kind = Literal["scores", "logit", "classes"]
NO_CLASS = 255
"""In a mask: the network gave a number that is no index of a class."""


@dataclass(frozen=True)
class Decision:
    """How one output, an array of one frame, becomes a mask.

    kind: "scores" (one channel a class, the largest wins), "logit" (one channel, above `threshold` is class 1), or
        "classes" (the index of the class itself).
    channel_axis: of the output, 1 or 3; None where it has none, [N, h, w].
    channels: of scores: how many; else 1.
    size: (height, width) of the output.
    covers: (height, width) in pixels of what the output is of: the frame, or the frame with padding after it.
    align_corners: how a smaller output is enlarged, bilinear; classes take the nearest.
    order: for each class of the output its index in the mask; () if it is the same.
    """

    kind: Kind
    channel_axis: int | None
    channels: int
    size: tuple[int, int]
    covers: tuple[int, int]
    threshold: float = 0.0
    align_corners: bool = False
    order: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the output for one frame."""
        shape = [1, *self.size]
        if self.channel_axis is not None:
            shape.insert(self.channel_axis, self.channels)
        return tuple(shape)

    def mask(self, output: NDArray[Any], input_size: tuple[int, int]) -> UInt8:
        """The network's own output for one frame → uint8 [height, width] of the input."""
        table = np.arange(256, dtype=np.uint8)
        table[: len(self.order)] = self.order
        return table[self._mask(output, input_size)]

    def _mask(self, output: NDArray[Any], input_size: tuple[int, int]) -> UInt8:
        planes = output if self.channel_axis is None else np.moveaxis(output, self.channel_axis, 1)
        planes = planes.reshape(-1, *planes.shape[-2:])  # [channels, h, w] of the one frame
        if self.kind == "classes":
            places = zip(input_size, self.covers, self.size, strict=True)
            rows, columns = (np.arange(n) * size // of for n, of, size in places)
            classes = planes[0][rows][:, columns].astype(np.float32)
            # What is no byte must not become a class: 255 is in no list.
            return np.where((classes >= 0) & (classes <= NO_CLASS), classes, NO_CLASS).astype(np.uint8)
        planes = _enlarged(planes.astype(np.float32), self.covers, align_corners=self.align_corners)
        planes = planes[:, : input_size[0], : input_size[1]]
        if self.kind == "logit":
            return np.asarray(planes[0] > self.threshold, np.uint8)
        return np.asarray(planes.argmax(0), np.uint8)

    def __str__(self) -> str:
        what = {"scores": f"scores of {self.channels} classes", "logit": "one score", "classes": "classes"}[self.kind]
        above = f", class 1 above {self.threshold:g}" if self.kind == "logit" else ""
        return f"{what} at {self.size[0]}x{self.size[1]}{above}"

    def add_to(self, graph: Fragment, output: str, input_size: tuple[int, int]) -> None:
        """Add the same as nodes, from the tensor `output` to `mask`, uint8 [N, height, width].

        TensorRT has no cast from int64 or bool to uint8: they become float32 first.
        """
        planes = output
        if self.channel_axis == 3:
            planes = graph.add("Transpose", "mask.planes", [planes], perm=[0, 3, 1, 2])
        if self.channel_axis is None:
            axis = graph.constant("mask.channel", np.array([1], np.int64))
            planes = graph.add("Unsqueeze", "mask.planes", [planes, axis])
        if self.kind == "classes":
            planes = graph.add("Cast", "mask.classes", [planes], to=TensorProto.FLOAT)
        if self.size != self.covers:
            planes = self._resize(graph, planes)
        if self.covers != input_size:
            bounds = {"starts": (0, 0), "ends": input_size, "axes": (2, 3)}
            parts = [graph.constant(f"mask.{name}", np.array(value, np.int64)) for name, value in bounds.items()]
            planes = graph.add("Slice", "mask.cut", [planes, *parts])
        if self.kind == "scores":
            planes = graph.add("ArgMax", "mask.index", [planes], axis=1, keepdims=0)
        else:
            axis = graph.constant("mask.axis", np.array([1], np.int64))
            planes = graph.add("Squeeze", "mask.plane", [planes, axis])
        if self.kind == "logit":
            threshold = graph.constant("mask.threshold", np.array(self.threshold, np.float32))
            planes = graph.add("Greater", "mask.positive", [planes, threshold])
        if self.order:
            index = graph.add("Cast", "mask.theirs", [planes], to=TensorProto.INT32)
            table = graph.constant("mask.order", np.array(self.order, np.float32))
            planes = graph.add("Gather", "mask.float", [table, index], axis=0)
        elif self.kind != "classes":
            planes = graph.add("Cast", "mask.float", [planes], to=TensorProto.FLOAT)
        graph.add("Cast", "mask", [planes], to=TensorProto.UINT8)

    def _resize(self, graph: Fragment, planes: str) -> str:
        sizes = graph.constant("mask.sizes", np.array([1, self.channels, *self.covers], np.int64))
        if self.kind == "classes":
            how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        else:
            where = "align_corners" if self.align_corners else "half_pixel"
            how = {"mode": "linear", "coordinate_transformation_mode": where}
        return graph.add("Resize", "mask.enlarged", [planes, "", "", sizes], **how)


def _enlarged(planes: NDArray[np.float32], size: tuple[int, int], *, align_corners: bool) -> NDArray[np.float32]:
    """Bilinear, [C, h, w] → [C, *size], as PyTorch's interpolate() and ONNX's Resize do it."""
    for axis, wanted in ((1, size[0]), (2, size[1])):
        have = planes.shape[axis]
        if have == wanted:
            continue
        if align_corners:
            places = np.arange(wanted) * ((have - 1) / max(1, wanted - 1))
        else:
            places = ((np.arange(wanted) + 0.5) * (have / wanted) - 0.5).clip(0, have - 1)
        low = np.minimum(places.astype(np.int64), have - 1)
        high = np.minimum(low + 1, have - 1)
        share = (places - low).astype(np.float32).reshape((-1, 1) if axis == 1 else (-1,))
        planes = np.take(planes, low, axis) * (1 - share) + np.take(planes, high, axis) * share
    return planes
