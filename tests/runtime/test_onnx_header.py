"""A .onnx file's header, read without a backend, and what no file may do to whoever reads it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from edgeunet.errors import ModelFileError
from edgeunet.runtime.onnx_header import Tensor, read_onnx_header
from tests.models import write_toy_model


def test_it_is_what_onnx_reads(tmp_path: Path) -> None:
    model = onnx.load(write_toy_model(tmp_path / "m.onnx", batch="N"))
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1 << 20, np.float32), "large"))
    model.graph.input.append(helper.make_tensor_value_info("large", onnx.TensorProto.FLOAT, [1 << 20]))
    model.graph.output.append(helper.make_tensor_value_info("index", onnx.TensorProto.INT64, None))
    helper.set_model_props(model, {"edgeunet": "{}", "author": "Übung ✓", "empty": ""})
    model.model_version = -1  # ten bytes long as a varint
    onnx.save(model, tmp_path / "m.onnx")
    header = read_onnx_header(tmp_path / "m.onnx")
    assert header.metadata == {"edgeunet": b"{}", "author": "Übung ✓".encode(), "empty": b""}
    assert header.inputs == (Tensor("frame", "uint8", (None, 32, 48, 3)),)  # not what the file has a value for
    assert header.outputs == (Tensor("mask", "uint8", (None, 32, 48)), Tensor("index", "int64", None))


@pytest.mark.parametrize("content", [b"no\0model", b"\xff" * 99, b"\x72\xff\xff\xff\xff", b"\x08\x08" * 9])
def test_a_file_that_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelFileError, match="not a model in the ONNX format"):
        read_onnx_header(tmp_path / "m.onnx")


def test_an_opset_that_no_onnx_has_is_refused(tmp_path: Path) -> None:
    model = onnx.load(write_toy_model(tmp_path / "m.onnx"))
    model.opset_import[0].version = 2**40
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(ModelFileError, match="its opset is 1099511627776"):
        read_onnx_header(tmp_path / "m.onnx")


def test_a_cut_file_is_refused_or_whole_up_to_there(tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "m.onnx")
    whole, content = read_onnx_header(path), path.read_bytes()
    for end in range(0, len(content), 7):
        path.write_bytes(content[:end])
        try:
            found = read_onnx_header(path)
        except ModelFileError:
            continue
        assert (found.inputs, found.metadata) in ((whole.inputs, {}), (whole.inputs, whole.metadata))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_changed_bytes_end_in_a_header_or_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.onnx"
    content = bytearray(write_toy_model(path).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(ModelFileError):  # and nothing else
        read_onnx_header(path)
