"""What the quantisation's rules see of ONNX models."""

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgeunet.quantisation.ranges_file import Ranges, TensorRange
from edgeunet.quantisation.value_ranges import ranged_tensors, value_ranges
from edgeunet_export.graph.float_model import FloatModel


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


def test_a_value_is_computed_and_neither_copied_nor_fused_nor_the_frame() -> None:
    # b has two readers, so it is no part of its ReLU; a.relu stands for a.
    assert ranged_tensors(FloatModel.of(_foreign()).graph) == ["a.relu", "b", "b.relu", "b.sigmoid"]


def test_values_of_our_network_are_what_relus_and_the_last_convolution_give(model: Path) -> None:
    graph = onnx.load(model).graph
    relus = [node.output[0] for node in graph.node if node.op_type == "Relu"]
    found = ranged_tensors(FloatModel.of(onnx.load(model)).graph)
    assert set(relus) < set(found)
    assert {node.op_type for node in graph.node if node.output[0] in set(found) - set(relus)} == {"Sub", "Conv", "Cast"}


def test_a_residual_block_has_a_range_for_its_convolution_and_one_for_its_end(compact_model: Path) -> None:
    found = ranged_tensors(FloatModel.of(onnx.load(compact_model)).graph)
    assert {"down.1.3.conv.3", "down.1.3.relu"} <= set(found)
    assert "down.1.3.add" not in found


def test_every_float_tensor_has_the_span_of_what_it_holds() -> None:
    seen = {"a.relu": (0.0, 4.0), "b": (-2.0, 3.0), "b.relu": (0.0, 3.0), "b.sigmoid": (0.0, 1.0)}
    tensors = {name: TensorRange(*span, {"minmax": span[1]}, "minmax", 1.0, (1,)) for name, span in seen.items()}
    ranges = Ranges("", "", "train", 0, "minmax", 1, 1, 0, settled=False, tensors=tensors)
    assert value_ranges(FloatModel.of(_foreign()).graph, ranges.value_ranges) == {
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
