"""The forms in which tools write a network: each becomes the contract's, with the masks of the original."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from edgeunet.imaging.pixels import UInt8
from edgeunet_export.foreign.import_model import Imported, ImportOptions, import_model
from tests.export.foreign.foreign_models import CLASSES, FLOAT, HALF, SIZE, UINT8, NetworkFile
from tests.export.foreign.test_import_model import CLASS_LIST, SAID

TWO = '{"classes": [{"index": 0, "name": "a", "color": [0, 0, 0]}, {"index": 1, "name": "b", "color": [9, 9, 9]}]}'
PLANES_LAST, PLANES_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


def imported(path: Path, options: ImportOptions = SAID) -> tuple[Imported, onnx.ModelProto]:
    ours = path.with_name("ours.onnx")
    found = import_model(str(path), ours, options, force=False)
    model = onnx.load(ours)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert found.proof.agreement >= 0.999
    assert (
        len(np.unique(found.network.mask(_frame(found.spec.input_size), found.found.preprocessing))) > 1
    )  # so that agreement says something
    return found, model


def _frame(size: tuple[int, int]) -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("shrink", [1, 2, 4, 8])
def test_smaller_scores_are_enlarged(tmp_path: Path, shrink: int) -> None:
    path = NetworkFile().body(shrink=shrink).result().save(tmp_path / "theirs.onnx")
    found, model = imported(path)
    assert found.network.decision.size == (SIZE[0] // shrink, SIZE[1] // shrink)
    assert kinds(model).count("Resize") == (shrink > 1)


@pytest.mark.parametrize("way", ["align_corners", "half_pixel"])
def test_a_network_that_aligns_corners_inside_is_enlarged_so(tmp_path: Path, way: str) -> None:
    network = NetworkFile().conv(8, stride=2).conv(8, stride=2).enlarge(2, way).conv(CLASSES)
    found, _ = imported(network.result().save(tmp_path / "theirs.onnx"))
    assert found.network.decision.align_corners == (way == "align_corners")


@pytest.mark.parametrize("end", ["Softmax", "LogSoftmax", "Sigmoid"])
def test_shares_become_scores(tmp_path: Path, end: str) -> None:
    network = NetworkFile().body()
    if end == "Sigmoid":
        network.add(end)
    else:
        network.add(end, axis=1)
    _, model = imported(network.result().save(tmp_path / "theirs.onnx"))
    assert end not in kinds(model)


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("dtype", [TensorProto.INT64, TensorProto.INT32, UINT8, FLOAT])
def test_a_class_map_is_taken_from_its_scores(tmp_path: Path, keepdims: int, dtype: int) -> None:
    network = NetworkFile().body().add("Softmax", axis=1).add("ArgMax", axis=1, keepdims=keepdims)
    if dtype != TensorProto.INT64:
        network.add("Cast", to=dtype)
    found, model = imported(network.result("classes", dtype).save(tmp_path / "theirs.onnx"))
    assert found.network.classes == CLASSES
    assert "Softmax" not in kinds(model)
    assert kinds(model)[-3:] == ["ArgMax", "Cast", "Cast"]


def test_a_small_class_map_is_enlarged_by_its_nearest(tmp_path: Path) -> None:
    network = NetworkFile().body(shrink=4).add("ArgMax", axis=1, keepdims=0)
    found, _ = imported(network.result("classes", TensorProto.INT64).save(tmp_path / "theirs.onnx"))
    assert found.network.classes is None


@pytest.mark.parametrize(
    ("end", "threshold"),
    [
        (lambda n: n, 0.0),
        (lambda n: n.add("Sigmoid"), 0.5),
        (lambda n: n.add("Sigmoid").add("Squeeze", _axis(n)), 0.5),
        (lambda n: n.add("Sigmoid").add("Mul", n.constant(np.array(0.9, np.float32))), 0.5),
    ],
)
def test_one_logit_tells_two_classes_apart(
    tmp_path: Path, end: Callable[[NetworkFile], NetworkFile], threshold: float
) -> None:
    (tmp_path / "two.json").write_text(TWO)
    path = end(NetworkFile().body(1)).result().save(tmp_path / "theirs.onnx")
    found, model = imported(path, replace(SAID, classes=tmp_path / "two.json"))
    assert found.network.decision.threshold == threshold
    assert ("Sigmoid" in kinds(model)) == ("Mul" in kinds(model))


def _axis(network: NetworkFile) -> str:
    return network.exact(np.array([1], np.int64))


def test_two_channels_for_two_classes(tmp_path: Path) -> None:
    (tmp_path / "two.json").write_text(TWO)
    path = NetworkFile().body(2).result().save(tmp_path / "theirs.onnx")
    imported(path, replace(SAID, classes=tmp_path / "two.json"))


@pytest.mark.parametrize("last", [True, False])
def test_channels_last(tmp_path: Path, last: bool) -> None:
    network = NetworkFile((1, *SIZE, 3)).add("Transpose", perm=PLANES_FIRST).body()
    if last:
        network.add("Transpose", perm=PLANES_LAST).add("Softmax", axis=3)
    found, model = imported(network.result().save(tmp_path / "theirs.onnx"))
    assert found.network.decision.channel_axis == (3 if last else 1)
    assert kinds(model).count("Transpose") == 1  # of the frame


def test_half_floats_become_float32(tmp_path: Path) -> None:
    path = NetworkFile((1, 3, *SIZE), HALF).body().result().save(tmp_path / "theirs.onnx")
    _, model = imported(path)
    assert {tensor.data_type for tensor in model.graph.initializer} == {FLOAT}


def test_a_uint8_input_has_its_normalisation_inside(tmp_path: Path) -> None:
    network = NetworkFile((1, *SIZE, 3), UINT8).add("Transpose", perm=PLANES_FIRST).add("Cast", to=FLOAT)
    network.add("Div", network.constant(np.array(255, np.float32))).body()
    path = network.result().save(tmp_path / "theirs.onnx")
    imported(path, ImportOptions(classes=CLASS_LIST, order="rgb"))


@pytest.mark.parametrize("opset", [11, 12, 13, 15, 18, 19, 20, 21, 22, 23, 24, 25])
def test_every_opset_becomes_17(tmp_path: Path, opset: int) -> None:
    network = NetworkFile().conv(8, stride=2).add("Relu").enlarge(2).body()
    path = network.result().save(tmp_path / "theirs.onnx", opset=opset, ir=10 if opset > 18 else 7)
    imported(path)


@pytest.mark.parametrize(("opset", "ir"), [(9, 3), (11, 3), (17, 3), (17, 99)])
def test_an_old_or_unknown_ir_version_becomes_that_of_the_opset(tmp_path: Path, opset: int, ir: int) -> None:
    path = NetworkFile().body().result().save(tmp_path / "theirs.onnx", opset=opset, ir=ir)
    model = onnx.load(path)
    for tensor in model.graph.initializer:  # as IR 3 wants them
        model.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    onnx.save(model, path)
    assert imported(path)[1].ir_version == 8


def test_a_free_size_is_set(tmp_path: Path) -> None:
    network = NetworkFile(("N", 3, "h", "w"))
    sizes = [network.exact(np.array([value], np.int64)) for value in (0, 2, CLASSES)]
    image = network.add("Shape", first="input").add("Slice", *sizes[:2]).tensor  # N and 3, of which N is wanted
    network.add("Gather", sizes[0], first=image).add("Concat", sizes[2], axis=0)
    batch = network.tensor
    network.add("Shape", first="input", start=2).add("Concat", first=batch, axis=0, name="wanted")
    network.nodes[-1].input.append(network.nodes[-2].output[0])
    network.tensor = "input"
    network.body(shrink=2).add("Resize", "", "", "wanted", mode="linear")
    found, model = imported(network.result().save(tmp_path / "theirs.onnx"), replace(SAID, size=(40, 56)))
    assert found.spec.input_size == (40, 56)
    assert not {"Shape", "Slice", "Gather", "Concat"} & set(kinds(model))


def test_weights_in_another_file(tmp_path: Path) -> None:
    path = NetworkFile().body().result().save(tmp_path / "theirs.onnx")
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    imported(path)
    assert not (tmp_path / "ours.onnx.data").exists()


def test_the_auxiliary_output_is_left_out(tmp_path: Path) -> None:
    network = NetworkFile().conv(8, stride=2)
    body = network.tensor
    network.conv(CLASSES).result("small")
    network.tensor, network.channels = body, 8
    network.enlarge(2).conv(CLASSES).result("full")
    found, model = imported(network.save(tmp_path / "theirs.onnx"))
    assert found.network.output == "full"
    assert kinds(model).count("Conv") == 2


@pytest.mark.parametrize("size", [(40, 56), (36, 50), (33, 64)])
def test_a_size_that_the_network_cannot_halve_is_padded(tmp_path: Path, size: tuple[int, int]) -> None:
    network = NetworkFile((1, 3, "h", "w")).conv(8).add("Relu")
    fine = network.tensor
    network.conv(8, stride=2).conv(8, stride=2).conv(8, stride=2).enlarge(8).add("Add", fine)
    path = network.conv(CLASSES).result().save(tmp_path / "theirs.onnx")
    found, model = imported(path, replace(SAID, size=size))
    fits = size == (40, 56)
    assert found.spec.input_size == size
    assert ("Pad" in kinds(model)) == ("Slice" in kinds(model)) == (not fits)
    assert bool(found.network.notes) == (not fits)
