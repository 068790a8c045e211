"""Each operator of foreign networks through FP16 and INT8, for every target."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper

from edgeunet.data.dataset import DatasetFolder
from edgeunet.quantisation.placement import place
from edgeunet.quantisation.ranges_file import Ranges, TensorRange
from edgeunet.quantisation.target import CPU, TENSORRT
from edgeunet.quantisation.value_ranges import ranged_tensors
from edgeunet_export.calibration.wide_nodes import wide_nodes
from edgeunet_export.fp16 import Fp16Options, export_fp16
from edgeunet_export.graph.float_model import FloatModel, attribute
from edgeunet_export.graph.model_file import onnx_session, raise_opset, read_fp32_model, read_model, write_model
from edgeunet_export.graph.narrow import narrowed
from edgeunet_export.graph.types import element_types, opset
from edgeunet_export.int8.candidate import Candidate
from edgeunet_export.int8.export_int8 import PRECISIONS, Int8Options, export_int8
from edgeunet_export.int8.quantize import quantized
from edgeunet_export.int8.repair.layers import multiply_adds
from edgeunet_export.int8.repair.trials import Trials, decided_by
from tests.export.networks import ranges_for
from tests.export.operators import BLOCKS, INNER, SIZE, WIDTH, operator_model
from tests.export.scaled import change
from tests.marks import slow

QUICK = ("depthwise", "squeeze-excite-dense", "attention", "unknown", "gelu")


@pytest.fixture(scope="module")
def images(dataset: Path) -> list[Path]:
    return DatasetFolder.open(dataset).image_paths("train")[:2]


def _saved(name: str, folder: Path, *, ahead: float = 0) -> Path:
    path = folder / f"{name}.onnx"
    onnx.save(operator_model(name, ahead=ahead), path)
    return path


def _ranges(model: FloatModel, trials: Trials) -> Ranges:
    """The smallest and the largest value of each tensor: calibration itself has tests of its own."""
    names = ranged_tensors(model.graph)
    frames = list(trials.observed(model.proto, names))
    tensors = {}
    for name in names:
        low, high = min(0.0, *(float(f[name].min()) for f in frames)), max(0.0, *(float(f[name].max()) for f in frames))
        tensors[name] = TensorRange(low, high, {"minmax": max(-low, high)}, "minmax", 1.0, (1,))
    return Ranges("", "", "train", 0, "minmax", len(frames), len(frames), 0, settled=False, tensors=tensors)


def _error(trials: Trials, exact: ModelProto, other: ModelProto, tensor: str) -> float:
    """RMS of the difference over RMS, on the worst frame."""
    pairs = zip(trials.observed(exact, [tensor]), trials.observed(other, [tensor]), strict=True)
    return max(float(np.linalg.norm(b[tensor] - a[tensor]) / np.linalg.norm(a[tensor])) for a, b in pairs)


@pytest.mark.parametrize("name", [*QUICK, *slow(*sorted(BLOCKS.keys() - {*QUICK}))])
def test_float16_and_int8_change_the_logits_little(name: str, images: list[Path], tmp_path: Path) -> None:
    """And the files are valid, and within TensorRT's rules."""
    model, spec = read_fp32_model(_saved(name, tmp_path), converted=True)
    trials, logits = Trials(model, spec, images), decided_by(model)
    fp16 = narrowed(model.proto, wide_nodes(model, spec, images))
    write_model(fp16, tmp_path / "fp16.onnx")
    assert 0 < _error(trials, model.proto, fp16, logits) < 0.003
    ranges = _ranges(model, trials)
    for target in (TENSORRT, CPU):
        candidate = Candidate.of(model, ranges, target)
        assert len(candidate.placement.convolutions) >= 2
        assert 0 < trials.deviation(candidate).error < 0.002
        write_model(candidate.int8, tmp_path / "int8.onnx", for_tensorrt=target is TENSORRT)
    half = Candidate.of(model, ranges, TENSORRT).with_float16(frozenset())
    assert 0 < trials.deviation(half).error < 0.002
    write_model(half.int8, tmp_path / "half.onnx")


def test_an_operator_of_a_newer_opset_keeps_it(dataset: Path, tmp_path: Path) -> None:
    """Gelu has opset 20, and float16 scales need 19 at least."""
    source = _saved("gelu", tmp_path, ahead=100)
    for precision in PRECISIONS:
        options = Int8Options(dataset, method="minmax", images=2, precision=precision)
        export_int8(source, tmp_path / f"{precision}.onnx", options, force=False)
        assert opset(read_model(tmp_path / f"{precision}.onnx")[0]) == 20
    assert export_fp16(source, tmp_path / "fp16.onnx", Fp16Options(dataset, images=2), force=False).agreement == 1
    assert opset(read_model(tmp_path / "fp16.onnx")[0]) == 20


def test_what_has_no_rule_is_named_with_its_number() -> None:
    graph = FloatModel.of(operator_model("unknown")).graph
    assert place(graph, TENSORRT).left_float == {"Div": 1, "Tanh": 1, "Sinh": 1, "Celu": 1}


def test_an_operator_without_a_float16_version_stays_in_float32() -> None:
    types = element_types(narrowed(operator_model("unknown"), ()))
    found = {name: kind for name, kind in types.items() if name in ("Sinh.10", "Celu.11")}
    assert found == {"Sinh.10": TensorProto.FLOAT16, "Celu.11": TensorProto.FLOAT}


@pytest.mark.parametrize(("name", "on_one_pixel"), [("squeeze-excite", 2), ("pyramid", 1)])
def test_convolutions_on_one_pixel_stay_in_float(name: str, on_one_pixel: int) -> None:
    model = FloatModel.of(operator_model(name))
    convolutions = [node.output[0] for node in model.proto.graph.node if node.op_type == "Conv"]
    kept = {c for c in convolutions if model.shapes[c][2:] == (1, 1)}
    assert len(kept) == on_one_pixel
    assert place(model.graph, CPU).convolutions == set(convolutions[:-1]) - kept


@pytest.mark.parametrize("dense", [False, True])
def test_linear_layers_are_quantised_and_products_of_activations_are_not(dense: bool) -> None:
    proto = operator_model("attention")
    stored = {tensor.name for tensor in proto.graph.initializer}
    layers = [node for node in proto.graph.node if node.op_type == "MatMul" and node.input[1] in stored]
    if dense:  # ONNX Runtime turns MatMul and Add into this; here with the weights the other way round
        for node, name in ((node, node.input[1]) for node in layers):
            change(proto, name, lambda weight: weight.T)
            node.op_type = "Gemm"
            node.attribute.append(helper.make_attribute("transB", 1))
    model = FloatModel.of(proto)
    names = {node.output[0] for node in layers}
    assert len(names) == 4
    for target in (TENSORRT, CPU):
        placement = place(model.graph, target)
        assert {c for c in placement.convolutions if not c.startswith("Conv")} == names
        assert names.isdisjoint(placement.outputs)
        int8 = quantized(model, placement, ranges_for(placement))
        pairs = {node.output[0]: node for node in int8.graph.node if node.op_type == "DequantizeLinear"}
        axes = {n.name: attribute(pairs[n.input[1]], "axis", None) for n in int8.graph.node if n.output[0] in names}
        assert set(axes.values()) == {0 if dense else 1}
    assert place(model.graph, TENSORRT).left_float["MatMul"] == 2


def test_the_multiply_adds_of_a_linear_layer_are_counted(images: list[Path], tmp_path: Path) -> None:
    model, spec = read_fp32_model(_saved("attention", tmp_path))
    counted = multiply_adds(model, Trials(model, spec, images))
    tokens = INNER[0] * INNER[1]
    assert {name: n for name, n in counted.items() if name.startswith("MatMul")} == dict.fromkeys(
        (n.output[0] for n in model.proto.graph.node if n.op_type == "MatMul" and n.input[1] in model.constants),
        tokens * WIDTH * WIDTH,
    )


def test_a_clip_belongs_to_the_convolution_before_it() -> None:
    graph = FloatModel.of(operator_model("depthwise")).graph
    clips = {operation.output for operation in graph.operations if operation.kind == "Clip"}
    before = {operation.inputs[0] for operation in graph.operations if operation.kind == "Clip"}
    for target in (TENSORRT, CPU):
        quantised = {tensor for group in place(graph, target).groups for tensor in group}
        assert clips <= quantised
        assert before.isdisjoint(quantised)
    assert clips <= place(graph, CPU).outputs
    assert before.isdisjoint(ranged_tensors(graph))


def test_indices_have_no_range() -> None:
    proto = operator_model("bilinear-corners")
    (pool,) = [node for node in proto.graph.node if node.op_type == "MaxPool"]
    pool.output.append("indices")
    assert "indices" not in ranged_tensors(FloatModel.of(proto).graph)


@pytest.mark.parametrize("name", ["layer-norm-parts", "shuffled-channels"])
def test_a_raised_opset_computes_the_same(name: str) -> None:
    proto = operator_model(name)
    if name == "shuffled-channels":
        (split,) = [node for node in proto.graph.node if node.op_type == "Split"]
        del split.input[1]  # into equal parts
    frame = np.random.default_rng(0).integers(0, 256, (1, *SIZE, 3), np.uint8)
    logits = decided_by(FloatModel.of(proto))
    proto.graph.output.append(helper.make_tensor_value_info(logits, TensorProto.FLOAT, None))
    before = onnx_session(proto).run([logits], {"frame": frame})[0]
    raise_opset(proto, 19)
    assert (opset(proto), proto.ir_version) == (19, 9)
    np.testing.assert_array_equal(onnx_session(proto).run([logits], {"frame": frame})[0], before)


def test_a_variance_below_float16_stays_in_float32(images: list[Path], tmp_path: Path) -> None:
    path = _saved("layer-norm-parts", tmp_path)
    proto, spec = read_model(path)
    (norm,) = [node for node in proto.graph.node if node.op_type == "Pow"]
    before = [node for node in proto.graph.node if node.op_type == "Conv"][1]
    for name in before.input[1:]:
        change(proto, name, lambda value: value * 1e-4)
    model = FloatModel.of(proto)
    wide = wide_nodes(model, spec, images)
    assert norm.output[0] in wide
    assert not any(output.startswith("Conv") for output in wide - {before.output[0]})
    trials, logits = Trials(model, spec, images), decided_by(model)
    assert _error(trials, model.proto, narrowed(proto, wide), logits) < 0.003
    assert not _error(trials, model.proto, narrowed(proto, ()), logits) < 0.1
