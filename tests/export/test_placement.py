from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, numpy_helper

from export.dialect import TENSORRT
from export.lint import lint
from export.modelfile import OPSET_FP16_SCALES, read_model, set_opset
from export.narrow import narrowed
from export.placement import place
from export.quantize import quantized
from tests.export.networks import spans_of


def _int8(path: Path) -> ModelProto:
    model, _ = read_model(path)
    placement = place(model, TENSORRT)
    return quantized(model, placement, spans_of(placement))


@pytest.mark.parametrize("fixture", ["model", "binary_model"])
def test_the_rules_of_tensorrt_are_kept(fixture: str, request: pytest.FixtureRequest) -> None:
    int8 = _int8(request.getfixturevalue(fixture))
    assert lint(int8) == []
    onnx.checker.check_model(int8, full_check=True)


def test_a_skip_its_pooled_version_and_its_concatenation_share_a_scale(model: Path) -> None:
    (skip,) = [group for group in place(read_model(model)[0], TENSORRT).groups if "inc.5" in group]
    assert skip == ("inc.5", "down.0.0", "up.1.up.0", "up.1.up.1", "up.1.cat")


def test_padding_to_an_odd_size_stays_in_the_group(binary_model: Path) -> None:
    placement = place(read_model(binary_model)[0], TENSORRT)
    (skip,) = [group for group in placement.groups if "inc.5" in group]
    assert skip == ("inc.5", "down.0.0", "up.1.up", "up.1.pad", "up.1.cat")


def test_all_convolutions_but_the_first_and_the_last_are_quantised(model: Path, binary_model: Path) -> None:
    for path in (model, binary_model):
        graph = read_model(path)[0].graph
        outputs = [node.output[0] for node in graph.node if node.op_type == "Conv"]
        assert place(read_model(path)[0], TENSORRT).convolutions == set(outputs[1:-1])


def test_an_operator_without_a_rule_stays_in_float_and_is_counted(model: Path) -> None:
    proto, _ = read_model(model)
    index = next(i for i, node in enumerate(proto.graph.node) if node.output[0] == "inc.2")
    proto.graph.node[index].op_type = "Sigmoid"
    placement = place(proto, TENSORRT)
    assert placement.left_float == {"Sigmoid": 1}
    assert lint(quantized(proto, placement, spans_of(placement))) == []


def test_padding_with_other_than_zeros_is_not_a_copy(binary_model: Path) -> None:
    proto, _ = read_model(binary_model)
    proto.graph.initializer.append(numpy_helper.from_array(np.array(1.5, np.float32), "fill"))
    for node in proto.graph.node:
        if node.op_type == "Pad":
            node.input.append("fill")
    placement = place(proto, TENSORRT)
    assert not any(tensor.endswith(".up") for group in placement.groups for tensor in group)


def test_what_must_stay_in_float32_is_not_quantised(model: Path) -> None:
    proto, _ = read_model(model)
    placement = place(proto, TENSORRT, {"down.0.1.0", "up.1.cat", "up.1.conv.0"})
    assert {"down.0.1.0", "up.1.conv.0"}.isdisjoint(placement.convolutions)
    assert not any("up.1.cat" in group for group in placement.groups)
    assert lint(quantized(proto, placement, spans_of(placement))) == []


def test_a_copy_that_must_stay_in_float32_shares_no_scale(model: Path) -> None:
    proto, _ = read_model(model)
    placement = place(proto, TENSORRT, {"up.1.cat"})
    (group,) = [group for group in placement.groups if "up.1.cat" in group]
    assert group == ("up.1.cat",)
    int8 = quantized(proto, placement, spans_of(placement), np.float16)
    set_opset(int8, OPSET_FP16_SCALES)
    assert lint(narrowed(int8, {"up.1.cat"})) == []
