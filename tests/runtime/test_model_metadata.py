"""One reader holds a model's spec against its graph, for every command."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from edgeunet.doctor import Host
from edgeunet.doctor.model_files import check_models
from edgeunet.errors import ModelFileError
from edgeunet.runtime import open_session
from edgeunet.runtime.model_info import describe_model
from edgeunet.runtime.model_metadata import read_spec
from edgeunet.spec import METADATA_KEY, ModelSpec
from tests.models import TRUST, toy_spec, write_toy_model


def with_spec(path: Path, value: Any) -> Path:
    """The toy model with another text as its spec; a dictionary's fields replace those of its own."""
    model = onnx.load(write_toy_model(path))
    text = value if isinstance(value, str) else json.dumps({**json.loads(toy_spec().to_json()), **value})
    helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, path)
    return path


def with_tensor(path: Path, side: str, name: str, kind: int, shape: list[Any] | None) -> Path:
    """The toy model with another declaration of one of its inputs or outputs, or with one more."""
    model = onnx.load(write_toy_model(path))
    values = getattr(model.graph, side)
    kept = [value for value in values if value.name != name]
    del values[:]
    values.extend([*kept, helper.make_tensor_value_info(name, kind, shape)])
    onnx.save(model, path)
    return path


SPECS: list[Any] = [
    "",
    "null",
    "[" * 100_000,
    '{"schema": 1}',
    {"schema": 2},
    {"schema": "1"},
    {"later": 1},
    {"input_size": [33, 48]},
    {"input_size": [32.0, 48.0]},
    {"input_size": [40_000, 40_000]},
    {"input_size": [10**400, 48]},
    {"input_size": [32, 48, 3]},
    {"classes": [{"name": 5, "color": [0, 0, 0]}] * 3},
    {"classes": [{"name": "a", "color": [0, 0, 0]}, {"name": "b", "color": ["x", 1, 2]}]},
    {"classes": [{"name": "a", "color": [0, 0, 0]}, {"name": "b", "color": [0, 0, 256]}]},
    {"classes": [{"name": "a", "color": [0, 0, 0]}, {"name": "b\x1b[2J", "color": [0, 0, 1]}]},
    {"classes": [{"name": "a", "color": [0, 0, 0]}, {"name": "a", "color": [0, 0, 1]}]},
    {"provenance": {"precision": 7}},
    {"provenance": {"precision": "fp4"}},
    {"provenance": {"calibration": "x\ny"}},
    {"fit": "crop"},
    {"std": [1.0, 0.0, 1.0]},
    {"mean": ["1", 2, 3]},
]


@pytest.mark.parametrize("value", SPECS, ids=lambda value: str(value)[:40])
def test_a_spec_that_is_damaged_or_does_not_fit_is_refused_everywhere(value: Any, tmp_path: Path) -> None:
    path = with_spec(tmp_path / "m.onnx", value)
    for read in (read_spec, open_session, lambda p: describe_model(str(p), None)):
        with pytest.raises(ModelFileError) as caught:
            read(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
    (found,) = check_models([path], Host(tmp_path))
    assert (found.state, found.part) == ("wrong", str(path))


def test_a_file_of_a_later_version_is_called_so(tmp_path: Path) -> None:
    for value in ({"schema": 2}, {"gains": [0, 16]}, {"provenance": {"teacher": "x"}}):
        with pytest.raises(ModelFileError, match="was made by a later edgeunet"):
            read_spec(with_spec(tmp_path / "m.onnx", value))


GRAPHS: list[tuple[str, str, int, list[Any] | None, str]] = [
    ("input", "frame", TensorProto.FLOAT, [1, 32, 48, 3], "has frame float32"),
    ("input", "frame", TensorProto.UINT8, [1, 3, 32, 48], r"has frame uint8 \[1, 3, 32, 48\]"),
    ("input", "frame", TensorProto.UINT8, [1, 32, 48], r"has frame uint8 \[1, 32, 48\]"),
    ("input", "frame", TensorProto.UINT8, [4, 32, 48, 3], r"has frame uint8 \[4"),
    ("input", "threshold", TensorProto.FLOAT, [1], r"more inputs than frame \(threshold float32 \[1\]\)"),
    ("output", "mask", TensorProto.INT64, [1, 32, 48], "has mask int64"),
    ("output", "mask", TensorProto.UINT8, [1, 32, 49], r"has mask uint8 \[1, 32, 49\]"),
    ("output", "logits", TensorProto.FLOAT, [1, 5, 32, 48], r"has logits float32 \[1, 5, 32, 48\]"),
    ("output", "confidence", TensorProto.FLOAT, [1, 32, 48], r"has confidence float32 \[1, 32, 48\]"),
    ("output", "familiarity", TensorProto.FLOAT, [1, 1], r"has familiarity float32 \[1, 1\]"),
]


@pytest.mark.parametrize(("side", "name", "kind", "shape", "says"), GRAPHS)
def test_a_graph_with_other_tensors_than_the_spec_says_is_refused(
    side: str, name: str, kind: int, shape: list[Any] | None, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileError, match=says):
        read_spec(with_tensor(tmp_path / "m.onnx", side, name, kind, shape))


def test_a_spec_that_says_what_no_output_gives_is_refused(tmp_path: Path) -> None:
    path = write_toy_model(tmp_path / "m.onnx", replace(toy_spec(), trust=TRUST))
    with pytest.raises(ModelFileError, match="has no output confidence, of which its spec says"):
        read_spec(path)


def test_what_a_file_leaves_open_is_the_backend_s(tmp_path: Path) -> None:
    for shape in (["N", 32, 48, 3], [None, "H", "W", 3], [1, 32, 48, 3]):
        assert read_spec(with_tensor(tmp_path / "m.onnx", "input", "frame", TensorProto.UINT8, shape)) == toy_spec()


def test_metadata_beside_the_spec_is_of_no_interest(tmp_path: Path) -> None:
    model = onnx.load(write_toy_model(tmp_path / "m.onnx"))
    model.metadata_props.add(key="author", value="Jos?")
    content = model.SerializeToString().replace(b"Jos?", b"Jos\xe9")
    (tmp_path / "m.onnx").write_bytes(content)
    for backend in ("onnxruntime", "openvino"):
        with open_session(tmp_path / "m.onnx", backend=backend) as session:
            assert session.spec == toy_spec()


def test_a_graph_that_only_the_runtime_can_refuse_is_a_model_file_error(tmp_path: Path) -> None:
    model = onnx.load(write_toy_model(tmp_path / "m.onnx"))
    model.graph.node[2].op_type = "NoSuchOperator"
    onnx.save(model, tmp_path / "unknown.onnx")
    onnx.save(
        onnx.load(write_toy_model(tmp_path / "m.onnx")),
        tmp_path / "outside.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    (tmp_path / "weights.bin").unlink()
    for name in ("unknown.onnx", "outside.onnx"):
        for backend in ("onnxruntime", "openvino"):
            with pytest.raises(ModelFileError, match="does not run in"):
                open_session(tmp_path / name, backend=backend)
        (found,) = check_models([tmp_path / name], Host(tmp_path))
        assert found.state == "wrong"


def test_the_doctor_runs_what_it_calls_ok(tmp_path: Path) -> None:
    model = onnx.load(write_toy_model(tmp_path / "m.onnx"))
    model.graph.initializer.append(numpy_helper.from_array(np.array(73, np.float32), "beyond"))
    model.graph.node[-1].input[0] = "further"
    model.graph.node.insert(5, helper.make_node("Add", ["index_float", "beyond"], ["further"]))
    onnx.save(model, tmp_path / "m.onnx")
    (found,) = check_models([tmp_path / "m.onnx"], Host(tmp_path))
    assert (found.state, "class 73" in found.found) == ("wrong", True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_change_of_a_spec_ends_in_a_spec_or_in_one_line(data: st.DataObject) -> None:
    value: Any = json.loads(toy_spec().to_json())
    place: Any = value
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(JSON)
    with suppress(ModelFileError):  # and nothing else
        read = ModelSpec.from_json(json.dumps(value), origin="m.onnx")
        assert ModelSpec.from_json(read.to_json(), origin="m.onnx") == read
