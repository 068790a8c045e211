"""Confidence and familiarity in the graph: what the definition says, in every backend and precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgeunet.errors import ModelFileError
from edgeunet.imaging.letterbox import UInt8
from edgeunet.network.checkpoint import load_model
from edgeunet.runtime import open_session
from edgeunet.spec import IGNORE, ModelSpec
from edgeunet_export.fp16 import Fp16Options, export_fp16
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_file import (
    onnx_session,
    read_fp32_model,
    read_model,
    read_trust,
    set_spec,
    write_model,
)
from edgeunet_export.graph.model_from_network import model_from_network
from edgeunet_export.graph.trust_nodes import without_trust
from edgeunet_export.int8.export_int8 import Int8Options, export_int8
from edgeunet_export.int8.repair.equalise import equalised
from edgeunet_export.int8.repair.trials import Trials
from edgeunet_export.trust.feature_map import feature_map
from edgeunet_export.trust.observing import ShownNetwork
from edgeunet_export.trust.output_nodes import DecidingScores, Familiarity, with_trust
from edgeunet_export.verify.accuracy import AccuracyBudget
from tests.models import TRUST, toy_spec

TEMPERATURE = 0.4
MODELS = ["model", "binary_model", "compact_model"]


def frame_for(spec: ModelSpec, seed: int = 0) -> UInt8:
    return np.random.default_rng(seed).integers(0, 256, spec.frame_shape, np.uint8)


def familiarity_of(model: FloatModel, spec: ModelSpec) -> Familiarity:
    """Of no meaning, but such that both scores are the smaller one for some frames."""
    found = feature_map(model, spec.input_size)
    rng = np.random.default_rng(3)
    channels = model.shapes[found][1]
    return Familiarity(found, rng.random(channels), rng.random(channels), 1.0, (0.25, -0.5))


def trusted_file(source: Path, output: Path) -> Path:
    model, spec = read_fp32_model(source)
    made = with_trust(model, spec, TEMPERATURE, familiarity_of(model, spec))
    set_spec(made, replace(spec, trust=TRUST))
    write_model(made, output)
    return output


def expected(source: Path, frame: UInt8) -> tuple[NDArray[np.float64], float]:
    """Confidence, 0 to 255 and not rounded, and familiarity, by their definitions."""
    model, spec = read_fp32_model(source)
    scores = DecidingScores.of(model)
    familiarity = familiarity_of(model, spec)
    shown = ModelProto.FromString(model.proto.SerializeToString())
    names = [scores.tensor, familiarity.feature_map]
    shown.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    logits, features = onnx_session(shown).run(names, {"frame": frame[None]})
    half = logits[0, :, ::2, ::2].astype(np.float64)
    if len(half) == 1:
        largest = np.abs(half[0])
        share = 1 / (1 + np.exp(-largest / TEMPERATURE))
    else:
        largest = half.max(0)
        share = 1 / np.exp((half - largest) / TEMPERATURE).sum(0)
    height, width = spec.input_size
    full = np.repeat(np.repeat(share, 2, 0), 2, 1)[:height, :width]
    distance = np.square((features[0].mean((1, 2)) - familiarity.mean) * familiarity.scale).sum()
    return 255 * full, min(0.25 * largest.mean() - 0.5, 1.0 - distance)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("name", MODELS)
def test_both_are_what_their_definitions_say(
    name: str, backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Also for sizes that are odd, and for one logit."""
    source: Path = request.getfixturevalue(name)
    path = trusted_file(source, tmp_path / "m.onnx")
    with open_session(source, backend=backend) as plain, open_session(path, backend=backend) as session:
        for seed in range(3):
            frame = frame_for(session.spec, seed)
            confidence, familiarity = expected(source, frame)
            result = session.run(frame)
            assert result.confidence is not None
            assert np.array_equal(result.mask, plain.run(frame).mask), "the mask is as without them"
            assert np.abs(result.confidence - confidence).max() < 0.51 + 1e-2
            assert result.familiarity == pytest.approx(familiarity, abs=1e-3)


def test_logits_that_are_too_large_for_a_sum_of_exponentials_give_numbers(model: Path, tmp_path: Path) -> None:
    proto, spec = read_model(model)
    for tensor in proto.graph.initializer:
        if tensor.name.startswith("out."):
            tensor.CopyFrom(numpy_helper.from_array(1e6 * numpy_helper.to_array(tensor), tensor.name))
    large = FloatModel.of(proto)
    made = with_trust(large, spec, TEMPERATURE, familiarity_of(large, spec))
    onnx.save(made, tmp_path / "m.onnx")
    with open_session(tmp_path / "m.onnx") as session:
        confidence = session.run(frame_for(spec)).confidence
    assert confidence is not None
    assert confidence.min() >= 255 // 5
    assert confidence.max() == 255


def test_what_is_taken_off_is_put_back(model: Path, tmp_path: Path) -> None:
    path = trusted_file(model, tmp_path / "m.onnx")
    whole, spec = read_model(path)
    plain, nodes = without_trust(whole)
    assert nodes is not None
    assert [value.name for value in plain.graph.output] == ["mask"]
    original, plain_spec = read_model(model)
    set_spec(plain, replace(spec, trust=None))
    assert plain == original
    assert read_fp32_model(path)[1] == plain_spec
    again = nodes.added_to(plain)
    set_spec(again, spec)
    assert again == whole
    assert without_trust(original) == (original, None)
    assert read_trust(model) is None


def converted(kind: str, source: Path, output: Path, dataset: Path) -> Path:
    """The file in another precision, or for another target."""
    if kind == "fp16":
        export_fp16(source, output, Fp16Options(), force=False)
    else:
        precision = "int8+fp16" if kind == "int8+fp16" else "int8"
        target = "openvino" if kind == "openvino" else "tensorrt"
        budget = AccuracyBudget(100, 0)
        options = Int8Options(dataset, target=target, precision=precision, images=4, budget=budget)
        export_int8(source, output, options, force=False)
    return output


@pytest.mark.parametrize("kind", ["fp16", "tensorrt", "int8+fp16", "openvino"])
def test_files_of_other_precisions_have_both(kind: str, steady_model: Path, dataset: Path, tmp_path: Path) -> None:
    """And the same masks as without: what quantises and narrows does not see them."""
    trusted = trusted_file(steady_model, tmp_path / "m.onnx")
    paths = {
        name: converted(kind, source, tmp_path / f"{name}.onnx", dataset)
        for name, source in (("plain", steady_model), ("trusted", trusted))
    }
    with (
        open_session(paths["plain"]) as plain,
        open_session(paths["trusted"]) as session,
        open_session(tmp_path / "m.onnx") as in_float,
    ):
        assert session.spec.trust is not None
        assert session.spec.trust.temperature == TRUST.temperature
        assert session.spec.trust.familiarity_floor == TRUST.familiarity_floor
        assert session.spec.provenance.precision == plain.spec.provenance.precision
        for seed in range(3):
            frame = frame_for(session.spec, seed)
            result, reference = session.run(frame), in_float.run(frame)
            assert np.array_equal(result.mask, plain.run(frame).mask)
            assert result.confidence is not None
            assert reference.confidence is not None
            assert np.abs(result.confidence.astype(float) - reference.confidence).mean() < 5
            assert result.familiarity == pytest.approx(reference.familiarity, abs=0.2)


def test_int8_reads_the_map_that_it_has_anyway(steady_model: Path, dataset: Path, tmp_path: Path) -> None:
    source = trusted_file(steady_model, tmp_path / "m.onnx")
    proto, _ = read_model(converted("openvino", source, tmp_path / "int8.onnx", dataset))
    (cast,) = [node for node in proto.graph.node if node.output[0] == "familiarity.map"]
    assert cast.input[0].endswith(".dequantized")


def test_a_repair_leaves_the_map_as_it_is(model: Path, dataset: Path, tmp_path: Path) -> None:
    """Equalisation divides channels where nobody else reads them: the features would be of another scale."""
    images = sorted((dataset / "images" / "train").iterdir())[:2]

    def means(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        float_model, spec = read_fp32_model(path)
        trials = Trials(float_model, spec, images)
        found = feature_map(float_model, spec.input_size)
        after = equalised(float_model, trials)
        before, later = (next(trials.observed(m.proto, [found]))[found] for m in (float_model, after))
        return before.mean((0, 2, 3)), later.mean((0, 2, 3))

    before, after = means(trusted_file(model, tmp_path / "m.onnx"))
    np.testing.assert_array_equal(before, after)
    before, after = means(model)
    assert not np.allclose(before, after), "it is scaled where nothing reads it"


def scored(nodes: list[onnx.NodeProto], spec: ModelSpec, constants: list[TensorProto]) -> FloatModel:
    """A model whose scores are made by some nodes from `planes`, the frame in float."""
    before = [
        helper.make_node("Cast", ["frame"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["planes"], perm=[0, 3, 1, 2]),
    ]
    after = [
        helper.make_node("Cast", ["mask.index"], ["mask.float"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["mask.float"], ["mask"], to=TensorProto.UINT8),
    ]
    proto = helper.make_graph(
        [*before, *nodes, *after],
        "scored",
        [helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, *spec.frame_shape])],
        [helper.make_tensor_value_info("mask", TensorProto.UINT8, [1, *spec.input_size])],
        constants,
    )
    return FloatModel.of(helper.make_model(proto, opset_imports=[helper.make_opsetid("", 18)], ir_version=8))


def test_shares_become_logits_again(tmp_path: Path) -> None:
    """A network that ends in a softmax; in opset 18, where a reduction is written in another way."""
    spec = toy_spec((32, 48))
    small = numpy_helper.from_array(np.array(0.02, np.float32), "small")
    nodes = [
        helper.make_node("Mul", ["planes", "small"], ["cooled"]),
        helper.make_node("Softmax", ["cooled"], ["shares"], axis=1),
        helper.make_node("ArgMax", ["shares"], ["mask.index"], axis=1, keepdims=0),
    ]
    model = scored(nodes, spec, [small])
    assert DecidingScores.of(model) == DecidingScores("shares", 3, shares=True)
    made = with_trust(model, spec, 1.0, Familiarity("", np.empty(0), np.empty(0), 0.0, (1.0, 0.0)))
    set_spec(made, spec)
    write_model(made, tmp_path / "m.onnx")
    frame = frame_for(spec)
    with open_session(tmp_path / "m.onnx") as session:
        result = session.run(frame)
    shares = np.exp(0.02 * frame[::2, ::2].astype(float))
    shares = (shares / shares.sum(2, keepdims=True)).max(2)
    assert result.confidence is not None
    assert np.abs(result.confidence[::2, ::2] - 255 * shares).max() < 0.51
    assert result.familiarity == pytest.approx(np.log(shares).mean(), abs=1e-4)
    observed = ShownNetwork(model, spec, "").observed([(frame, None)])
    assert observed.largest[0] == pytest.approx(np.log(shares).mean(), abs=1e-4)


def test_scores_in_another_order_are_those_of_the_label_s_class(tmp_path: Path) -> None:
    """An imported network may list its classes in another order than the dataset does."""
    spec = toy_spec((32, 48))
    order = numpy_helper.from_array(np.array([2, 0, 1], np.float32), "mask.order")
    nodes = [helper.make_node("ArgMax", ["planes"], ["mask.index"], axis=1, keepdims=0)]
    model = scored(nodes, spec, [order])
    network = ShownNetwork(model, spec, "")
    assert network.scores == DecidingScores("planes", 3, order=(2, 0, 1))
    label = np.random.default_rng(0).integers(0, 3, spec.input_size, np.uint8)
    label[:4] = IGNORE
    observed = network.observed([(frame_for(spec), label)])
    assert len(observed.labels) == 14 * 24
    counts = [np.sum(label[4::2, ::2] == name) for name in (2, 0, 1)]
    assert [np.sum(observed.labels == channel) for channel in range(3)] == counts


def test_many_frames_at_once_are_each_for_itself(checkpoint: Path, tmp_path: Path) -> None:
    net, spec = load_model(checkpoint)
    proto = model_from_network(net, spec, dynamic_batch=True, logits=False)
    model = FloatModel.of(proto)
    made = with_trust(model, spec, TEMPERATURE, familiarity_of(model, spec))
    set_spec(made, replace(spec, trust=TRUST))
    write_model(made, tmp_path / "m.onnx")
    session = onnx_session(made)
    frames = np.stack([frame_for(spec, seed) for seed in range(3)])
    confidence, familiarity = session.run(["confidence", "familiarity"], {"frame": frames})
    assert (confidence.shape, familiarity.shape) == ((3, *spec.input_size), (3,))
    for index, frame in enumerate(frames):
        alone = session.run(["confidence", "familiarity"], {"frame": frame[None]})
        assert np.abs(confidence[index].astype(int) - alone[0][0]).max() <= 1
        assert familiarity[index] == pytest.approx(alone[1][0], abs=1e-4)


def test_a_network_without_smaller_maps_has_none_for_features() -> None:
    spec = toy_spec((32, 48))
    nodes = [
        helper.make_node("Relu", ["planes"], ["whole"]),
        helper.make_node("ArgMax", ["whole"], ["mask.index"], axis=1, keepdims=0),
    ]
    assert feature_map(scored(nodes, spec, []), spec.input_size) == ""


def test_a_network_that_gives_classes_has_no_confidence() -> None:
    spec = toy_spec((32, 48))
    zero = numpy_helper.from_array(np.array([0], np.int64), "zero")
    nodes = [helper.make_node("Gather", ["planes", "zero"], ["one"], axis=1)]
    nodes.append(helper.make_node("Squeeze", ["one", "axis"], ["classes"]))
    model = scored(nodes, spec, [zero, numpy_helper.from_array(np.array([1], np.int64), "axis")])
    with pytest.raises(ModelFileError, match="gives classes and no scores"):
        DecidingScores.of(model)
