"""Every rule with a bad example of its own, made from a good file by one change."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, NodeProto, helper, numpy_helper

from edgeunet.errors import ExportError
from edgeunet.network.unet import UNet, UNetConfig, preset
from edgeunet.quantisation.placement import place
from edgeunet.quantisation.target import TENSORRT
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.lint import lint
from edgeunet_export.graph.model_file import OPSET_FP16_SCALES, raise_opset, read_model, write_model
from edgeunet_export.graph.model_from_network import model_from_network
from edgeunet_export.graph.narrow import narrowed
from edgeunet_export.int8.quantize import quantized
from tests.export.networks import ranges_for, spec_for
from tests.export.operators import operator_model
from tests.marks import slow

Change = Callable[[ModelProto], None]


def _int8(model: ModelProto, *, half: bool = False) -> ModelProto:
    placement = place(FloatModel.of(model).graph, TENSORRT)
    int8 = quantized(FloatModel.of(model), placement, ranges_for(placement), np.float16 if half else np.float32)
    if half:
        raise_opset(int8, OPSET_FP16_SCALES)
        int8 = narrowed(int8, ())
    return int8


def _node(model: ModelProto, name: str) -> NodeProto:
    found: NodeProto = next(node for node in model.graph.node if node.name == name)
    return found


def _store(model: ModelProto, name: str, value: np.ndarray) -> str:
    """Add a constant, or replace the one of that name."""
    kept = [tensor for tensor in model.graph.initializer if tensor.name != name]
    del model.graph.initializer[:]
    model.graph.initializer.extend([*kept, numpy_helper.from_array(value, name)])
    return name


def _pair(model: ModelProto, tensor: str, *, scale: str = "inc.5.scale") -> str:
    """Append a Q/DQ pair; gives the dequantised tensor."""
    model.graph.node.extend(
        [
            helper.make_node("QuantizeLinear", [tensor, scale, "zero_point"], [f"{tensor}.q"], f"{tensor}.q"),
            helper.make_node(
                "DequantizeLinear", [f"{tensor}.q", scale, "zero_point"], [f"{tensor}.dq"], f"{tensor}.dq"
            ),
        ]
    )
    return f"{tensor}.dq"


def _zero_point(model: ModelProto) -> None:
    _node(model, "inc.5.quantize").input[2] = _store(model, "other", np.array(3, np.int8))


def _uint8_zero_point(model: ModelProto) -> None:
    _store(model, "zero_point", np.array(0, np.uint8))


def _int32_bias(model: ModelProto) -> None:
    _store(model, "bias.int32", np.ones(16, np.int32))
    parts = ["bias.int32", _store(model, "bias.scale", np.full((), 0.1, np.float32))]
    model.graph.node.append(helper.make_node("DequantizeLinear", parts, ["bias.dq"], "bias.dq"))
    _node(model, "down.0.1.0").input[2] = "bias.dq"


def _between_conv_and_relu(model: ModelProto) -> None:
    _node(model, "inc.5").input[0] = _pair(model, "inc.3")


def _no_int8_reader(model: ModelProto) -> None:
    _node(model, "out").input[0] = _pair(model, "up.1.conv.5")


def _result(model: ModelProto) -> None:
    _node(model, "mask.index").input[0] = _pair(model, "logits")


def _concat(model: ModelProto) -> None:
    other = _store(model, "other", np.array(0.5, np.float32))
    for name in ("up.1.up.1.quantize", "up.1.up.1.dequantize"):
        _node(model, name).input[1] = other
    for name in ("up.1.up.0.quantize", "up.1.up.0.dequantize"):
        _node(model, name).input[1] = other


def _max_pool(model: ModelProto) -> None:
    other = _store(model, "other", np.array(0.5, np.float32))
    for name in ("down.0.0.quantize", "down.0.0.dequantize"):
        _node(model, name).input[1] = other


def _float_into_concat(model: ModelProto) -> None:
    _node(model, "up.1.cat").input[0] = "inc.5"


def _axis(model: ModelProto) -> None:
    del _node(model, "down.0.1.0.weight.dequantize").attribute[:]  # the default is 1


def _float_input(model: ModelProto) -> None:
    _node(model, "down.0.1.0").input[0] = "down.0.0"


def _channel_scales_of_an_activation(model: ModelProto) -> None:
    _store(model, "inc.5.scale", np.full(8, 0.03, np.float32))
    _store(model, "zero_point", np.zeros(8, np.int8))


def _negative_scale(model: ModelProto) -> None:
    _store(model, "inc.5.scale", np.array(-0.03, np.float32))


def _transposed_uint8(model: ModelProto) -> None:
    cast, transpose = _node(model, "frame.float"), _node(model, "frame.planes")
    transpose.input[0], transpose.output[0] = "frame", "planes"
    cast.input[0], cast.output[0] = "planes", "frame.planes"
    model.graph.node.insert(0, model.graph.node.pop(1))


def _between_conv_and_add(model: ModelProto) -> None:
    _node(model, "down.1.2.add").input[0] = _pair(model, "down.1.2.conv.3", scale="down.1.1.5.scale")


def _float_into_add(model: ModelProto) -> None:
    _node(model, "down.1.2.add").input[1] = "down.1.1.5"


BAD_RESIDUAL: dict[str, tuple[Change, str]] = {
    "between conv and add": (_between_conv_and_add, "down.1.2.add: a pair separates Conv and Add"),
    "float into add": (_float_into_add, "down.1.2.add: down.1.1.5 is added to an INT8 convolution in float"),
}
BAD_INT8: dict[str, tuple[Change, list[str]]] = {
    "zero point": (_zero_point, ["inc.5.quantize: the zero point is 3"]),
    "int32 bias": (_int32_bias, ["bias.dq: an int32 bias is dequantised"]),
    "between conv and relu": (_between_conv_and_relu, ["inc.3.q: a pair separates Conv and Relu"]),
    "no int8 reader": (_no_int8_reader, ["up.1.conv.5.q: up.1.conv.5 is quantised, but leads to no"]),
    "result": (_result, ["logits.q: logits is quantised, but leads to no"]),
    "max pool": (_max_pool, ["down.0.0: inputs and output of MaxPool have the scales 0.0315, 0.5, "]),
    "float into concat": (_float_into_concat, ["up.1.cat: inputs and output of Concat have the scales float, 0.0315,"]),
    "axis": (_axis, ["down.0.1.0.weight.dequantize: the scales lie along axis 1 of the weights, Conv wants axis 0"]),
    "float input": (_float_input, ["down.0.1.0: its weights are quantised and its input down.0.0 is not"]),
    "transposed uint8": (_transposed_uint8, ["frame.planes: Transpose reads uint8, TensorRT wants a Cast first"]),
}


@pytest.fixture
def int8(model: Path) -> ModelProto:
    return _int8(read_model(model)[0])


@pytest.mark.parametrize("fault", BAD_INT8)
def test_one_fault_is_one_finding(fault: str, int8: ModelProto) -> None:
    assert lint(int8) == []
    change, expected = BAD_INT8[fault]
    change(int8)
    findings = lint(int8)
    assert len(findings) == len(expected)
    assert all(finding.startswith(text) for finding, text in zip(findings, expected, strict=True)), findings


@pytest.mark.parametrize("fault", BAD_RESIDUAL)
def test_one_fault_of_a_residual_block_is_one_finding(fault: str, compact_model: Path) -> None:
    int8 = _int8(read_model(compact_model)[0])
    assert lint(int8) == []
    change, expected = BAD_RESIDUAL[fault]
    change(int8)
    findings = lint(int8)
    assert len(findings) == 1
    assert findings[0].startswith(expected)


def test_an_identity_that_only_an_addition_reads_quantised_is_no_finding(compact_model: Path) -> None:
    """The convolution of the block that reads it too may have stayed in float."""
    proto, _ = read_model(compact_model)
    placement = place(FloatModel.of(proto).graph, TENSORRT, {"down.1.2.conv.0"})
    int8 = quantized(FloatModel.of(proto), placement, ranges_for(placement))
    assert _node(int8, "down.1.2.conv.0").input[0] == "down.1.1.5"
    assert _node(int8, "down.1.2.add").input[1] == "down.1.1.5.dequantized"
    assert lint(int8) == []


def test_a_concat_of_two_scales_is_found(int8: ModelProto) -> None:
    _concat(int8)
    findings = lint(int8)
    assert (
        "up.1.cat: inputs and output of Concat have the scales 0.0315, 0.5, 0.0315, TensorRT wants one scale"
        in findings
    )
    assert [finding for finding in findings if not finding.startswith("up.1.cat")] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_uint8_zero_point, "the quantised type is UINT8, TensorRT wants INT8"),
        (_channel_scales_of_an_activation, "an activation has 8 scales, TensorRT wants one"),
        (_negative_scale, "a scale is not a positive number"),
    ],
)
def test_a_shared_constant_is_found_at_each_node_that_reads_it(change: Change, message: str, int8: ModelProto) -> None:
    change(int8)
    findings = lint(int8)
    assert {"inc.5.quantize", "inc.5.dequantize"} <= {finding.partition(":")[0] for finding in findings}
    assert all(message in finding for finding in findings)


def test_transposed_convolutions_have_their_channels_on_axis_1(binary_model: Path) -> None:
    proto, _ = read_model(binary_model)
    int8 = _int8(proto)
    (weight,) = [numpy_helper.to_array(t) for t in int8.graph.initializer if t.name == "up.1.up.weight"]
    _store(int8, "t.int8", np.ones(weight.shape, np.int8))
    parts = ["t.int8", _store(int8, "t.scale", np.full(weight.shape[1], 0.1, np.float32))]
    parts.append(_store(int8, "t.zero_point", np.zeros(weight.shape[1], np.int8)))
    int8.graph.node.insert(0, helper.make_node("DequantizeLinear", parts, ["t.dq"], "t.dequantize", axis=1))
    node = _node(int8, "up.1.up")
    node.input[1] = "t.dq"
    node.input[0] = _pair(int8, node.input[0])
    assert lint(int8) == []
    _node(int8, "t.dequantize").attribute[0].i = 0
    assert lint(int8) == ["t.dequantize: the scales lie along axis 0 of the weights, ConvTranspose wants axis 1"]


def test_a_pair_before_a_clip_is_found() -> None:
    int8 = _int8(operator_model("depthwise"))
    assert lint(int8) == []
    clip = next(node for node in int8.graph.node if node.op_type == "Clip" and node.input[0].startswith("Conv"))
    pair = next(node for node in int8.graph.node if node.op_type == "QuantizeLinear")
    clip.input[0] = _pair(int8, clip.input[0], scale=pair.input[1])
    assert [f.partition(": ")[2] for f in lint(int8)] == ["a pair separates Conv and Clip, which TensorRT fuses"]


def test_mixed_types_are_found(model: Path) -> None:
    fp16 = narrowed(read_model(model)[0], ())
    assert lint(fp16) == []
    bias = next(t for t in fp16.graph.initializer if t.name == "inc.0.bias.fp16")
    _store(fp16, bias.name, numpy_helper.to_array(bias).astype(np.float32))
    assert lint(fp16) == ["inc.0: Conv mixes FLOAT and FLOAT16"]


def test_float16_scales_below_opset_19_are_found(model: Path) -> None:
    half = _int8(read_model(model)[0], half=True)
    assert lint(half) == []
    half.opset_import[0].version = 17
    findings = [f for f in lint(half) if f.endswith("the scale is float16 in opset 17, that needs opset 19")]
    pairs = [node for node in half.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert len(findings) == len(pairs)


TINY = UNetConfig(classes=1, features=(8, 16), up="transpose")


@pytest.mark.parametrize(
    ("config", "size", "dynamic"),
    [
        (preset("nano", 1), (51, 67), True),
        (preset("lite", 5), (51, 67), False),
        *slow((preset("nano", 5), (64, 96), False), (TINY, (51, 67), False), (preset("classic", 5), (64, 64), False)),
    ],
    ids=["binary, dynamic batch, odd size", "lite, odd size", "nano", "transposed", "classic"],
)
def test_every_kind_of_file_is_without_findings(config: UNetConfig, size: tuple[int, int], *, dynamic: bool) -> None:
    model = model_from_network(UNet(config).eval(), spec_for(config, size), dynamic_batch=dynamic, logits=False)
    for kind in (model, narrowed(model, ()), _int8(model), _int8(model, half=True)):
        assert lint(kind) == []


def test_a_file_with_a_finding_is_not_written(model: Path, tmp_path: Path) -> None:
    int8 = _int8(read_model(model)[0])
    _zero_point(int8)
    onnx.checker.check_model(int8, full_check=True)
    with pytest.raises(ExportError, match=r"breaks a rule of TensorRT: inc\.5\.quantize: the zero point is 3"):
        write_model(int8, tmp_path / "m.onnx")
