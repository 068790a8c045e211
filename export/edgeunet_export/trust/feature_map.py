"""The map inside a network whose means tell a frame like the training data from others."""

from __future__ import annotations

import math

from onnx import TensorProto

from edgeunet_export.graph.float_model import FloatModel

_DEPTH = 4
_RESULTS = ("Relu", "Clip", "LeakyRelu", "PRelu", "HardSwish", "Elu", "Mul", "Add")
"""What a layer hands on: activations and sums, rather than what an activation still reads."""


def feature_map(model: FloatModel, input_size: tuple[int, int]) -> str:
    """A tensor [N, C, h, w] of a float model: the last one at about a quarter of the frame's height on the way down.

    It shows light, noise, blur and texture; deeper maps add nothing to that and find another ordinary drive strange
    more often (docs/trust.md). "" where no layer's result has such a shape.
    """
    heights: dict[str, int] = {}
    for node in model.proto.graph.node:
        shape = model.shapes.get(node.output[0], ())
        if (
            node.op_type in _RESULTS
            and len(shape) == 4
            and model.types.get(node.output[0]) == TensorProto.FLOAT
            and shape[1] > 0
            and all(1 < side < whole for side, whole in zip(shape[2:], input_size, strict=True))
        ):
            heights[node.output[0]] = shape[2]
    if not heights:
        return ""
    lowest = min(heights.values())
    names = list(heights)
    first = next(index for index, name in enumerate(names) if heights[name] == lowest)
    down = names[:first] + [name for name in names[first:] if heights[name] == lowest]
    best = min({heights[name] for name in down}, key=lambda rows: abs(math.log(rows * _DEPTH / input_size[0])))
    return [name for name in down if heights[name] == best][-1]
