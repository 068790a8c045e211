"""What is read as a model file of ours, and what is not."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from edgeunet.errors import ModelFileError
from edgeunet_export.graph.model_file import read_model


def test_a_tensor_with_more_values_than_its_shape_has_is_refused(model: Path, tmp_path: Path) -> None:
    proto = onnx.load(model)
    tensor = max(proto.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    tensor.raw_data += bytes(4)
    onnx.save(proto, tmp_path / "m.onnx")
    with pytest.raises(ModelFileError, match=r"m\.onnx is not a valid ONNX model"):
        read_model(tmp_path / "m.onnx")
