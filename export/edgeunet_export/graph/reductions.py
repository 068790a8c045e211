"""Reductions are written differently from opset 18 on."""

from __future__ import annotations

from collections.abc import MutableSequence

import numpy as np
from onnx import NodeProto, TensorProto, numpy_helper


def axes_as_input(node: NodeProto, constants: MutableSequence[TensorProto]) -> None:
    """Turn the attribute `axes` of a reduction into an input, as opset 18 has it, which is stored in `constants`."""
    (axes,) = (entry for entry in node.attribute if entry.name == "axes")
    name = f"{node.output[0]}.axes"
    constants.append(numpy_helper.from_array(np.array(axes.ints, np.int64), name))
    node.input.append(name)
    node.attribute.remove(axes)
