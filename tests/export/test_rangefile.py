import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgeunet.errors import MismatchError, OutputError, RecordError
from edgeunet.files import sha256
from export.rangefile import Ranges, TensorRange, model_sha256, spans, values

METHODS = ("minmax", "percentile", "entropy", "mse")


def _range(low: float, high: float, *clips: float, method: str = "mse") -> TensorRange:
    return TensorRange(low, high, dict(zip(METHODS, clips, strict=True)), method, 0.125, (3, 2, 1))


def _ranges(**tensors: TensorRange) -> Ranges:
    return Ranges("ab" * 32, "cd" * 32, "train", 0, "mse", 96, 256, 1, settled=True, tensors=tensors)


def _foreign() -> ModelProto:
    """Pools the frame itself, reads one convolution twice, joins a copy of the frame to what is computed from it."""
    weight = numpy_helper.from_array(np.ones((3, 3, 1, 1), np.float32), "weight")
    nodes = [
        helper.make_node("Cast", ["frame"], ["frame.float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["frame.float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("MaxPool", ["planes"], ["planes.pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["planes.pooled", "weight"], ["a"]),
        helper.make_node("Relu", ["a"], ["a.relu"]),
        helper.make_node("Conv", ["a.relu", "weight"], ["b"]),
        helper.make_node("Relu", ["b"], ["b.relu"]),
        helper.make_node("Sigmoid", ["b"], ["b.sigmoid"]),
        helper.make_node("Concat", ["a.relu", "b.sigmoid", "planes.pooled"], ["joined"], axis=1),
        helper.make_node("MaxPool", ["joined"], ["joined.pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Shape", ["joined"], ["shape"]),
        helper.make_node("Cast", ["shape"], ["shape.float"], to=TensorProto.FLOAT),
        helper.make_node("ArgMax", ["joined.pooled"], ["mask.index"], axis=1),
        helper.make_node("Cast", ["mask.index"], ["mask"], to=TensorProto.UINT8),
    ]
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, 8, 8, 3])],
        [
            helper.make_tensor_value_info("mask", TensorProto.UINT8, [1, 1, 2, 2]),
            helper.make_tensor_value_info("b.relu", TensorProto.FLOAT, [1, 3, 4, 4]),
        ],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model)
    return model


def test_what_is_written_is_read_again_to_the_bit(tmp_path: Path) -> None:
    ranges = _ranges(a=_range(-1 / 3, 1e-30, 1 / 3, 0.1 + 0.2, 5e-324, 0.7), b=_range(0.0, 3.5, 3.5, 3.0, 2.5, 2.0))
    ranges.save(tmp_path / "m.ranges.json", force=False)
    assert Ranges.load(tmp_path / "m.ranges.json") == ranges
    with pytest.raises(OutputError, match="--force"):
        ranges.save(tmp_path / "m.ranges.json", force=False)


def test_the_span_is_clipped_on_both_sides_and_no_wider_than_what_was_seen() -> None:
    assert _range(-1.0, 8.0, 8.0, 6.0, 5.0, 4.0).span == (-1.0, 4.0)
    assert _range(-8.0, 1.0, 8.0, 6.0, 5.0, 4.0, method="entropy").span == (-5.0, 1.0)
    assert _range(0.0, 0.0, 0.0, 0.0, 0.0, 0.0).span == (0.0, 0.0)


def test_the_method_of_one_tensor_is_changed_without_the_others() -> None:
    ranges = _ranges(a=_range(-4.0, 8.0, 8.0, 6.0, 5.0, 4.0), b=_range(0.0, 8.0, 8.0, 6.0, 5.0, 4.0))
    changed = ranges.with_methods({"a": "minmax"})
    assert changed.tensors["a"].span == (-4.0, 8.0)
    assert changed.tensors["b"] == ranges.tensors["b"]
    assert ranges.tensors["a"].span == (-4.0, 4.0)
    with pytest.raises(RecordError, match="'best'"):
        ranges.with_methods({"a": "best"})


def test_the_summary_says_after_how_many_images_the_ranges_settled() -> None:
    ranges = _ranges()
    assert ranges.summary == "mse, settled after 96 of 256 images (1 of one colour left out)"
    assert replace(ranges, plain=0, settled=False, images=256).summary == "mse, 256 images"


def test_ranges_of_another_model_are_refused(model: Path, tmp_path: Path) -> None:
    proto = onnx.load(model)
    ranges = replace(_ranges(), model_sha256=model_sha256(proto))
    ranges.require_model(sha256(model), model)  # the hash of the model in memory is that of its file
    proto.graph.initializer[0].raw_data = bytes(len(proto.graph.initializer[0].raw_data))
    with pytest.raises(MismatchError, match=r"are those of the model \w{12}, other\.onnx is \w{12}: .*--data"):
        ranges.require_model(model_sha256(proto), Path("other.onnx"))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("low", 1.0, "from at most 0 to at least 0, got 1.0"),
        ("method", "best", "the clip of its method 'best'"),
        ("clips", {"mse": -1.0}, "the clip of its method 'mse'"),
        ("histogram", 3, "damaged file of ranges"),
        ("high", None, "damaged file of ranges"),
    ],
)
def test_a_damaged_file_is_named(field: str, value: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "m.ranges.json"
    _ranges(a=_range(-1.0, 8.0, 8.0, 6.0, 5.0, 4.0)).save(path, force=False)
    content = json.loads(path.read_text())
    content["tensors"]["a"][field] = value
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=rf"m\.ranges\.json.*{message}.*`edgeunet export int8"):
        Ranges.load(path)
    del content["tensors"]["a"][field]
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=f"lacks the field '{field}'"):
        Ranges.load(path)


def test_a_missing_file_and_another_schema_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such file; calibrate again"):
        Ranges.load(tmp_path / "none.json")
    (tmp_path / "a.json").write_text('{"schema": "edgeunet.ranges/99"}')
    with pytest.raises(RecordError, match=r'expected "edgeunet\.ranges/1"'):
        Ranges.load(tmp_path / "a.json")


def test_a_value_is_computed_and_neither_copied_nor_fused_nor_the_frame() -> None:
    # b has two readers, so it is no part of its ReLU; a.relu stands for a.
    assert values(_foreign()) == ["a.relu", "b", "b.relu", "b.sigmoid"]


def test_values_of_our_network_are_what_relus_and_the_last_convolution_give(model: Path) -> None:
    graph = onnx.load(model).graph
    relus = [node.output[0] for node in graph.node if node.op_type == "Relu"]
    found = values(onnx.load(model))
    assert set(relus) < set(found)
    assert {node.op_type for node in graph.node if node.output[0] in set(found) - set(relus)} == {"Sub", "Conv", "Cast"}


def test_every_float_tensor_has_the_span_of_what_it_holds() -> None:
    ranges = _ranges(
        **{
            "a.relu": _range(0.0, 8.0, 8.0, 6.0, 5.0, 4.0),
            "b": _range(-2.0, 3.0, 3.0, 3.0, 3.0, 3.0),
            "b.relu": _range(0.0, 3.0, 3.0, 3.0, 3.0, 3.0),
            "b.sigmoid": _range(0.0, 1.0, 1.0, 1.0, 1.0, 1.0),
        }
    )
    assert spans(_foreign(), ranges) == {
        "frame.float": (0, 255),
        "planes": (0, 255),
        "planes.pooled": (0, 255),
        "a": (0, 4),
        "a.relu": (0, 4),
        "b": (-2, 3),
        "b.relu": (0, 3),
        "b.sigmoid": (0, 1),
        "joined": (0, 255),
        "joined.pooled": (0, 255),
    }
