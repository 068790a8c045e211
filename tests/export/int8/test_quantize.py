"""What is written means what exact integers say, and the runtimes compute it so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgeunet.data.dataset import DatasetFolder
from edgeunet.imaging.letterbox import UInt8
from edgeunet.imaging.tiling import fitted_tiles
from edgeunet.quantisation.placement import place
from edgeunet.quantisation.target import CPU, TENSORRT, QuantisationTarget, target_of
from edgeunet_export.calibration.frames import read_frames
from edgeunet_export.graph.float_model import MEAN, FloatModel
from edgeunet_export.graph.model_file import read_model, set_spec
from edgeunet_export.graph.model_from_network import model_from_network
from edgeunet_export.int8.quantize import quantized
from tests.export.conftest import COMPACT
from tests.export.integers import OnGrid, simulated
from tests.export.networks import network, ranges_for, spec_for
from tests.export.scaled import change
from tests.marks import exact_int8

TARGETS = pytest.mark.parametrize("target", [TENSORRT, CPU], ids=lambda target: target.name)
MODELS = pytest.mark.parametrize("fixture", ["model", "binary_model", "compact_model"])


def _frame(model: Path, dataset: Path) -> UInt8:
    (image,) = DatasetFolder.open(dataset).image_paths("train")[:1]
    ((_, frame),) = read_frames([image])
    return fitted_tiles(frame, read_model(model)[1])[0]


def _written(proto: ModelProto, target: QuantisationTarget, frame: UInt8) -> ModelProto:
    """Quantised with the exact ranges of one frame."""
    model = FloatModel.of(proto)
    placement = place(model.graph, target)
    exact = simulated(proto, frame)
    values = {tensor: np.asarray(exact[tensor]) for tensor in ranges_for(placement)}
    return quantized(model, placement, {t: (min(0.0, v.min()), max(0.0, v.max())) for t, v in values.items()})


def _run(proto: ModelProto, frame: UInt8, tensors: list[str]) -> list[NDArray[np.generic]]:
    """These tensors in ONNX Runtime, with all its fusions."""
    watched = ModelProto()
    watched.CopyFrom(proto)
    kinds = {node.output[0]: node.input[2] for node in proto.graph.node if node.op_type == "QuantizeLinear"}
    types = {tensor.name: tensor.data_type for tensor in proto.graph.initializer}
    watched.graph.output.extend(helper.make_tensor_value_info(t, types[kinds[t]], None) for t in tensors)
    results: list[NDArray[np.generic]] = _session(watched).run(["mask", *tensors], {"frame": frame})
    return results


def _session(proto: ModelProto, options: onnxruntime.SessionOptions | None = None) -> onnxruntime.InferenceSession:
    """As the runtime opens a file, with all fusions but the one that would quantise float biases."""
    return onnxruntime.InferenceSession(
        proto.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["WeightBiasQuantization"],
    )


@MODELS
@pytest.mark.parametrize("target", [TENSORRT, pytest.param(CPU, marks=exact_int8)], ids=lambda target: target.name)
def test_onnx_runtime_computes_the_integers_that_the_file_means(
    fixture: str, target: QuantisationTarget, dataset: Path, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(fixture)
    proto, _ = read_model(path)
    frame = _frame(path, dataset)
    written = _written(proto, target, frame)
    onnx.checker.check_model(written, full_check=True)
    tensors = [node.output[0] for node in written.graph.node if node.op_type == "QuantizeLinear"]
    mask, *integers = _run(written, frame, tensors)
    found = dict(zip(tensors, integers, strict=True))
    meant = simulated(written, frame, found)
    for tensor in tensors:
        differ = np.abs(found[tensor] - np.asarray(meant[tensor]))
        assert differ.max() <= 1, tensor  # float32 rounds where the reference does not
        assert (differ > 0).mean() < 0.001, tensor
    assert np.mean(mask == meant["mask"]) > 0.9999
    assert np.mean(mask == simulated(written, frame)["mask"]) > 0.999


@exact_int8
@MODELS
def test_openvino_gives_the_masks_that_the_file_means(
    fixture: str, dataset: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    from edgeunet.runtime.cpu.openvino_session import OpenVinoSession

    path = request.getfixturevalue(fixture)
    proto, spec = read_model(path)
    frame = _frame(path, dataset)
    for target in (CPU, TENSORRT):
        written = _written(proto, target, frame)
        set_spec(written, spec.with_provenance(precision="int8", target=target.name))
        onnx.save(written, tmp_path / "m.onnx")
        with OpenVinoSession(tmp_path / "m.onnx", threads=1) as session:
            mask = session.run(frame[0]).mask
        assert np.mean(mask == simulated(written, frame)["mask"]) > 0.995, target.name


def test_openvino_loads_what_is_padded_along_one_side(dataset: Path, tmp_path: Path) -> None:
    """60x64 is halved to 15x16 before the pooling that drops a row."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    from edgeunet.runtime.cpu.openvino_session import OpenVinoSession

    net, spec = network(COMPACT, (60, 64)), spec_for(COMPACT, (60, 64))
    proto = model_from_network(net, spec, dynamic_batch=False, logits=False)
    onnx.save(proto, tmp_path / "float.onnx")
    frame = _frame(tmp_path / "float.onnx", dataset)
    written = _written(proto, CPU, frame)
    set_spec(written, spec.with_provenance(precision="int8", target=CPU.name))
    onnx.save(written, tmp_path / "m.onnx")
    with OpenVinoSession(tmp_path / "m.onnx", threads=1) as session:
        assert np.mean(session.run(frame[0]).mask == simulated(written, frame)["mask"]) > 0.995


@MODELS
def test_onnx_runtime_runs_every_quantised_convolution_with_integers(
    fixture: str, dataset: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(fixture)
    proto, _ = read_model(path)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    _session(_written(proto, CPU, _frame(path, dataset)), options)
    operators = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert operators.count("QLinearAdd") == sum(node.op_type == "Add" for node in proto.graph.node)
    assert operators.count("QLinearConv") == len(place(FloatModel.of(proto).graph, CPU).convolutions)
    assert sum("Conv" in op for op in operators) == sum("Conv" in node.op_type for node in proto.graph.node)


def test_for_a_cpu_the_first_convolution_is_quantised_too_and_a_concatenation_has_its_own_scale(model: Path) -> None:
    proto, _ = read_model(model)
    placement = place(FloatModel.of(proto).graph, CPU)
    outputs = [node.output[0] for node in proto.graph.node if node.op_type == "Conv"]
    assert placement.convolutions == set(outputs[:-1])
    assert {("inc.5", "down.0.0"), ("up.1.up.0", "up.1.up.1"), ("up.1.cat",)} <= set(placement.groups)


@pytest.mark.parametrize(("target", "width"), [(CPU, 48), (TENSORRT, 1)], ids=["cpu", "tensorrt"])
def test_for_a_cpu_the_mean_is_stored_for_a_row(target: QuantisationTarget, width: int) -> None:
    """ONNX Runtime reads it with the channels last, a row at once; the mask tests above run with it."""
    config, size = COMPACT, (32, 48)
    proto = model_from_network(network(config, size), spec_for(config, size), dynamic_batch=True, logits=False)
    model = FloatModel.of(proto)
    placement = place(model.graph, target)
    int8 = quantized(model, placement, dict.fromkeys(ranges_for(placement), (-1.0, 1.0)))
    (mean,) = (numpy_helper.to_array(tensor) for tensor in int8.graph.initializer if tensor.name == MEAN)
    assert mean.shape == (1, 3, 1, width)
    assert np.array_equal(mean, np.broadcast_to(model.constants[MEAN], mean.shape))


def test_zero_stays_exact_and_the_span_is_covered(model: Path) -> None:
    proto, _ = read_model(model)
    placement = place(FloatModel.of(proto).graph, CPU)
    ranges = dict.fromkeys(ranges_for(placement), (-1.0, 3.0)) | {
        "inc.2": (0.0, 5.1),
        "inc.5": (0.0, 0.0),
        "down.0.0": (0.0, 0.0),
    }
    int8 = quantized(FloatModel.of(proto), placement, ranges)
    stored = {t.name: numpy_helper.to_array(t) for t in int8.graph.initializer}
    assert float(stored["inc.2.scale"]) == pytest.approx(0.02)
    assert stored["zero_point"] == 0
    assert stored["inc.5.scale"] == 1.0  # always zero: any scale will do
    step, zero_point = float(stored["up.1.up.0.scale"]), int(stored["up.1.up.0.zero_point"])
    assert step == pytest.approx(4 / 255)
    assert (0 - zero_point) * step == pytest.approx(-1.0, abs=step)
    assert (255 - zero_point) * step == pytest.approx(3.0, abs=step)


def test_a_bias_that_is_huge_against_its_weights_fits_into_int32(model: Path, dataset: Path) -> None:
    """A channel that is all bias: its weights' own steps would make the bias 10^12 of them."""
    proto, _ = read_model(model)
    tiny = np.array([1e-12] + [1.0] * 15).reshape(-1, 1, 1, 1)
    change(proto, "down.0.1.0.weight", lambda weight: weight * tiny)
    change(proto, "down.0.1.0.bias", lambda bias: np.abs(bias) + 0.5)
    frame = _frame(model, dataset)
    written = _written(proto, CPU, frame)
    bias = simulated(written, frame)["down.0.1.0.bias.dequantized"]
    assert isinstance(bias, OnGrid)
    exact = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}["down.0.1.0.bias"]
    np.testing.assert_allclose(bias.reals, exact, rtol=1e-4)
    (stored,) = [t for t in written.graph.initializer if t.name == "down.0.1.0.bias.int32"]
    assert stored.data_type == TensorProto.INT32


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(ValueError, match="tensorrt, onnxruntime, openvino"):
        target_of("tflite")
