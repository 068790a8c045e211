"""Networks that compute the same masks by way of values that float16 can't hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper


def scaled(path: Path, output: Path, factor: float) -> Path:
    """The model with what its first convolution gives times `factor`, and the next one's weights divided by it."""
    model = onnx.load(path)
    change(model, "inc.0.weight", lambda value: value * factor)
    change(model, "inc.0.bias", lambda value: value * factor)
    change(model, "inc.3.weight", lambda value: value / factor)
    onnx.save(model, output)
    return output


def change(model: ModelProto, name: str, function: Callable[[NDArray[np.float32]], NDArray[np.floating[Any]]]) -> None:
    """Replace an initializer by a function of it."""
    (tensor,) = [t for t in model.graph.initializer if t.name == name]
    value = np.asarray(function(numpy_helper.to_array(tensor)), dtype=np.float32)
    tensor.CopyFrom(numpy_helper.from_array(value, name))
