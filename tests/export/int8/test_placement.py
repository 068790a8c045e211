from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, helper, numpy_helper

from edgeunet.quantisation.placement import place
from edgeunet.quantisation.target import CPU, TENSORRT
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.lint import lint
from edgeunet_export.graph.model_file import OPSET_FP16_SCALES, raise_opset, read_model
from edgeunet_export.graph.narrow import narrowed
from edgeunet_export.int8.quantize import quantized
from tests.export.networks import ranges_for


def _int8(path: Path) -> ModelProto:
    model, _ = read_model(path)
    placement = place(FloatModel.of(model).graph, TENSORRT)
    return quantized(FloatModel.of(model), placement, ranges_for(placement))


@pytest.mark.parametrize("fixture", ["model", "binary_model", "compact_model"])
def test_the_rules_of_tensorrt_are_kept(fixture: str, request: pytest.FixtureRequest) -> None:
    int8 = _int8(request.getfixturevalue(fixture))
    assert lint(int8) == []
    onnx.checker.check_model(int8, full_check=True)


def test_a_skip_its_pooled_version_and_its_concatenation_share_a_scale(model: Path) -> None:
    (skip,) = [group for group in place(FloatModel.of(read_model(model)[0]).graph, TENSORRT).groups if "inc.5" in group]
    assert skip == ("inc.5", "down.0.0", "up.1.up.0", "up.1.up.1", "up.1.cat")


def test_padding_to_an_odd_size_stays_in_the_group(binary_model: Path) -> None:
    placement = place(FloatModel.of(read_model(binary_model)[0]).graph, TENSORRT)
    (skip,) = [group for group in placement.groups if "inc.5" in group]
    assert skip == ("inc.5", "down.0.0", "up.1.up", "up.1.pad", "up.1.cat")


def test_all_convolutions_but_the_first_and_the_last_are_quantised(model: Path, binary_model: Path) -> None:
    for path in (model, binary_model):
        graph = read_model(path)[0].graph
        outputs = [node.output[0] for node in graph.node if node.op_type == "Conv"]
        assert place(FloatModel.of(read_model(path)[0]).graph, TENSORRT).convolutions == set(outputs[1:-1])


def test_with_a_head_that_doubles_the_size_the_last_convolution_is_quantised_too(compact_model: Path) -> None:
    graph = read_model(compact_model)[0].graph
    outputs = [node.output[0] for node in graph.node if node.op_type == "Conv"]
    assert outputs[-1] == "up.1.conv.3"
    assert place(FloatModel.of(read_model(compact_model)[0]).graph, TENSORRT).convolutions == set(outputs[1:])
    assert place(FloatModel.of(read_model(compact_model)[0]).graph, CPU).convolutions == set(outputs)
    assert place(FloatModel.of(read_model(compact_model)[0]).graph, TENSORRT).left_float == {}


def test_tensorrt_adds_a_quantised_identity_to_what_a_convolution_gives(compact_model: Path) -> None:
    placement = place(FloatModel.of(read_model(compact_model)[0]).graph, TENSORRT)
    quantised = {tensor for group in placement.groups for tensor in group}
    assert {"down.1.2.relu", "down.1.3.relu"} <= quantised
    assert {"down.1.3.conv.3", "down.1.3.add"}.isdisjoint(quantised)
    nodes = {node.name: node for node in _int8(compact_model).graph.node}
    assert list(nodes["down.1.3.add"].input) == ["down.1.3.conv.3", "down.1.2.relu.dequantized"]
    assert list(nodes["down.1.3.conv.0"].input)[:1] == ["down.1.2.relu.dequantized"]


def test_cpus_add_two_quantised_tensors(compact_model: Path) -> None:
    placement = place(FloatModel.of(read_model(compact_model)[0]).graph, CPU)
    assert {"down.1.3.conv.3", "down.1.2.relu", "down.1.3.relu"} <= placement.outputs
    assert "down.1.3.add" in placement.readers
    assert ("down.1.3.conv.3",) in placement.groups


def test_an_addition_to_a_convolution_in_float_stays_in_float(compact_model: Path) -> None:
    graph = FloatModel.of(read_model(compact_model)[0]).graph
    for target in (TENSORRT, CPU):
        assert "down.1.3.add" not in place(graph, target, {"down.1.3.conv.3"}).readers
    assert "down.1.3.relu" not in place(graph, CPU, {"down.1.3.conv.3"}).outputs


def test_of_two_added_convolutions_the_first_is_quantised(compact_model: Path) -> None:
    """A block whose shortcut is a convolution as well."""
    proto, _ = read_model(compact_model)
    (block,) = [node for node in proto.graph.node if node.name == "down.1.3.add"]
    (first,) = [node for node in proto.graph.node if node.name == "down.1.3.conv.0"]
    shortcut = helper.make_node("Conv", first.input, ["shortcut"], "shortcut", dilations=[2, 2], pads=[2, 2, 2, 2])
    proto.graph.node.insert(list(proto.graph.node).index(first), shortcut)
    block.input[1] = "shortcut"
    placement = place(FloatModel.of(proto).graph, TENSORRT)
    assert ("shortcut",) in placement.groups
    assert "down.1.3.conv.3" not in {tensor for group in placement.groups for tensor in group}
    assert lint(quantized(FloatModel.of(proto), placement, ranges_for(placement))) == []


def test_an_operator_without_a_rule_stays_in_float_and_is_counted(model: Path) -> None:
    proto, _ = read_model(model)
    index = next(i for i, node in enumerate(proto.graph.node) if node.output[0] == "inc.2")
    proto.graph.node[index].op_type = "Sigmoid"
    placement = place(FloatModel.of(proto).graph, TENSORRT)
    assert placement.left_float == {"Sigmoid": 1}
    assert lint(quantized(FloatModel.of(proto), placement, ranges_for(placement))) == []


def test_padding_with_other_than_zeros_is_not_a_copy(binary_model: Path) -> None:
    proto, _ = read_model(binary_model)
    proto.graph.initializer.append(numpy_helper.from_array(np.array(1.5, np.float32), "fill"))
    for node in proto.graph.node:
        if node.op_type == "Pad":
            node.input.append("fill")
    placement = place(FloatModel.of(proto).graph, TENSORRT)
    assert not any(tensor.endswith(".up") for group in placement.groups for tensor in group)


def test_what_must_stay_in_float32_is_not_quantised(model: Path) -> None:
    proto, _ = read_model(model)
    placement = place(FloatModel.of(proto).graph, TENSORRT, {"down.0.1.0", "up.1.cat", "up.1.conv.0"})
    assert {"down.0.1.0", "up.1.conv.0"}.isdisjoint(placement.convolutions)
    assert not any("up.1.cat" in group for group in placement.groups)
    assert lint(quantized(FloatModel.of(proto), placement, ranges_for(placement))) == []


def test_a_copy_that_must_stay_in_float32_shares_no_scale(model: Path) -> None:
    proto, _ = read_model(model)
    placement = place(FloatModel.of(proto).graph, TENSORRT, {"up.1.cat"})
    (group,) = [group for group in placement.groups if "up.1.cat" in group]
    assert group == ("up.1.cat",)
    int8 = quantized(FloatModel.of(proto), placement, ranges_for(placement), np.float16)
    raise_opset(int8, OPSET_FP16_SCALES)
    assert lint(narrowed(int8, {"up.1.cat"})) == []
