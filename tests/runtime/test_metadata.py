from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edgeunet.runtime.metadata import metadata_of
from tests.models import write_toy_model


def test_it_is_what_onnx_reads(tmp_path: Path) -> None:
    model = onnx.load(write_toy_model(tmp_path / "m.onnx"))
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1 << 20, np.float32), "large"))
    helper.set_model_props(model, {"edgeunet": "{}", "author": "Übung ✓", "empty": ""})
    model.model_version = -1  # ten bytes long as a varint
    onnx.save(model, tmp_path / "m.onnx")
    assert metadata_of(tmp_path / "m.onnx") == {"edgeunet": "{}", "author": "Übung ✓", "empty": ""}


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\xff" * 99, b"\x72\xff\xff\xff\xff"])
def test_a_file_that_is_no_model_has_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    assert metadata_of(tmp_path / "m.onnx") == {}


def test_a_cut_file_has_none_or_all(tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "m.onnx")
    whole, content = metadata_of(path), path.read_bytes()
    for end in range(0, len(content), 7):
        path.write_bytes(content[:end])
        assert metadata_of(path) in ({}, whole)
