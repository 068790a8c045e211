"""`edgeunet import` with nothing said: by the labels, by the files beside the network, and by the names of classes."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from edgeunet.errors import DatasetError, MismatchError
from edgeunet.runtime import open_session
from edgeunet.runtime.model_metadata import read_spec
from edgeunet_export.foreign.import_model import Imported, ImportOptions, import_model
from edgeunet_export.foreign.preprocessing import Preprocessing, scale_of_range, scale_of_values
from tests.commands import Run
from tests.export.foreign.colour_networks import CLASSES, SIZE, colour_network, drawn, write_colours

WAY = Preprocessing("bgr", *scale_of_values((0.406, 0.456, 0.485), (0.225, 0.224, 0.229), 3))
PROCESSOR = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "size": {"height": SIZE[0], "width": SIZE[1]}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colours(tmp_path_factory.mktemp("colours") / "data")


def imported(theirs: Path, **said: object) -> Imported:
    return import_model(str(theirs), theirs.with_name("ours.onnx"), ImportOptions(**said), force=False)  # type: ignore[arg-type]


def accuracy(model: Path, names: tuple[str, ...] = CLASSES) -> float:
    """Share of the pixels of a new frame whose class has the right name."""
    frame, mask = drawn(1000)
    with open_session(model) as session:
        found = session.run(frame).mask
        table = np.array([names.index(name) for name in session.spec.names])
    return float(np.mean(table[found] == mask))


def with_metadata(path: Path, **texts: str) -> Path:
    model = onnx.load(path)
    onnx.helper.set_model_props(model, texts)
    onnx.save(model, path)
    return path


def test_nothing_is_said_and_the_labels_show_it(data: Path, tmp_path: Path, run: Run) -> None:
    theirs = colour_network(tmp_path / "theirs.onnx", WAY)
    result = run("import", theirs, "-o", tmp_path / "ours.onnx", "--data", data)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert "  mIoU on 10 labelled frames of val and train, fed in 8 ways:" in lines
    assert "  takes BGR, ImageNet's mean and std, as the labels show" in lines
    assert re.fullmatch(r"  mIoU of the original ([\d.]+) %, of the model file \1 %", lines[-2])
    assert lines[-1] == f"next: edgeunet export int8 {tmp_path / 'ours.onnx'} --data {data} -o model.int8.onnx"
    assert accuracy(tmp_path / "ours.onnx") > 0.95
    assert read_spec(tmp_path / "ours.onnx").mean == pytest.approx(WAY.mean, abs=0.01)


def test_the_files_beside_a_network_say_all_and_that_is_said(tmp_path: Path, run: Run) -> None:
    theirs = colour_network(tmp_path / "model.onnx", Preprocessing("rgb", *scale_of_range(-1, 1, 3)))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    (tmp_path / "config.json").write_text(json.dumps({"id2label": dict(enumerate(CLASSES))}))
    result = run("import", theirs, "-o", tmp_path / "ours.onnx")
    assert result.code == 0, result.err
    for line in (
        "takes RGB, -1 to 1, as preprocessor_config.json says; not checked, as there are no labels",
        "size: 32×48, as preprocessor_config.json says",
        "frames: stretch, as preprocessor_config.json says",
        f"classes: {', '.join(CLASSES)}, as config.json says",
    ):
        assert f"  {line}" in result.out.splitlines()
    spec = read_spec(tmp_path / "ours.onnx")
    assert (spec.names, spec.fit) == (CLASSES, "stretch")
    assert accuracy(tmp_path / "ours.onnx") > 0.95


def test_all_that_is_missing_is_named_at_once(tmp_path: Path, run: Run) -> None:
    theirs = colour_network(tmp_path / "theirs.onnx", WAY, any_size=True)
    result = run("import", theirs, "-o", tmp_path / "ours.onnx")
    assert result.code == 2
    for option in ("--size", "--rgb or --bgr", "--mean and --std, or --range", "--classes", "--data"):
        assert option in result.err
    assert not (tmp_path / "ours.onnx").exists()


def test_classes_in_another_order_go_by_their_names(data: Path, tmp_path: Path) -> None:
    order = (3, 0, 4, 1, 2)
    names = [CLASSES[index].upper() for index in order]
    theirs = colour_network(tmp_path / "theirs.onnx", WAY, order=order)
    with_metadata(theirs, names=json.dumps(names))
    found = imported(theirs, data=data)
    assert str(found.found) == "BGR, ImageNet's mean and std, as the labels show"
    assert found.spec.names == CLASSES
    assert accuracy(tmp_path / "ours.onnx") > 0.95
    assert found.proof.agreement > 0.999
    assert any("in another order" in note for note in found.notes)


def test_the_order_of_the_classes_is_never_fitted_to_the_labels(data: Path, tmp_path: Path) -> None:
    theirs = colour_network(tmp_path / "theirs.onnx", WAY, order=(3, 0, 4, 1, 2))
    with pytest.raises(MismatchError, match="its classes are in another order"):
        imported(theirs, data=data)
    assert not (tmp_path / "ours.onnx").exists()


def test_other_names_are_refused_until_the_user_says_that_they_are_the_same(data: Path, tmp_path: Path) -> None:
    theirs = with_metadata(colour_network(tmp_path / "theirs.onnx", WAY), names="['Wand', 'matt', 'rot', 'blau', 'x']")
    with pytest.raises(MismatchError, match=r"says that the classes are Wand.*--classes .*classes\.json"):
        imported(theirs, data=data)
    assert imported(theirs, data=data, classes=data / "classes.json").spec.names == CLASSES


def test_a_dataset_without_masks_shows_nothing(data: Path, tmp_path: Path, run: Run) -> None:
    bare = tmp_path / "bare"
    (bare / "images" / "val").mkdir(parents=True)
    (bare / "classes.json").write_bytes((data / "classes.json").read_bytes())
    for file in (data / "images" / "val").iterdir():
        (bare / "images" / "val" / file.name).write_bytes(file.read_bytes())
    theirs = colour_network(tmp_path / "theirs.onnx", WAY)
    result = run("import", theirs, "-o", tmp_path / "ours.onnx", "--data", bare)
    assert result.code == 2
    assert re.search("--rgb or --bgr; --mean and --std, or --range", result.err)
    found = imported(theirs, data=bare, order="bgr", mean=WAY.mean, std=WAY.std)
    assert (found.proof.frames, found.proof.miou) == (4, None)


def test_a_size_that_is_said_beside_a_network_of_any_size_is_taken(data: Path, tmp_path: Path) -> None:
    theirs = colour_network(tmp_path / "theirs.onnx", WAY, any_size=True)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    found = imported(theirs, data=data)
    assert found.spec.input_size == SIZE
    why = "as the labels show, and not as preprocessor_config.json says"
    assert str(found.found) == f"BGR, ImageNet's mean and std, {why}"


def test_a_class_map_of_more_classes_than_the_dataset_has_is_refused(data: Path, tmp_path: Path) -> None:
    theirs = onnx.load(colour_network(tmp_path / "theirs.onnx", WAY))
    theirs.graph.node.append(onnx.helper.make_node("ArgMax", ["logits"], ["index"], axis=1, keepdims=0))
    three = onnx.numpy_helper.from_array(np.array(3, np.int64), "three")
    theirs.graph.initializer.append(three)
    theirs.graph.node.append(onnx.helper.make_node("Mul", ["index", "three"], ["classes"]))
    theirs.graph.output.pop()
    theirs.graph.output.append(onnx.helper.make_tensor_value_info("classes", onnx.TensorProto.INT64, [1, *SIZE]))
    onnx.save(theirs, tmp_path / "theirs.onnx")
    with pytest.raises(MismatchError, match=r"masks with the class \d+, and the list .* has 0 to 4: .*--classes"):
        imported(tmp_path / "theirs.onnx", data=data)


def test_a_split_of_ignored_pixels_scores_nothing_and_other_splits_show_the_way(tmp_path: Path) -> None:
    data = write_colours(tmp_path / "data", val=2)
    for file in (data / "masks" / "val").iterdir():
        cv2.imwrite(str(file), np.full(SIZE, 255, np.uint8))
    found = imported(colour_network(tmp_path / "theirs.onnx", WAY), data=data)
    assert (found.proof.frames, found.proof.miou) == (2, None)
    assert str(found.found) == "BGR, ImageNet's mean and std, as the labels show"


def test_a_folder_without_splits_is_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "flat" / "images").mkdir(parents=True)
    (tmp_path / "flat" / "classes.json").write_bytes((data / "classes.json").read_bytes())
    (tmp_path / "flat" / "images" / "a.png").write_bytes((data / "images" / "val" / "000.png").read_bytes())
    with pytest.raises(DatasetError, match="divide them with `edgeunet data convert"):
        imported(colour_network(tmp_path / "theirs.onnx", WAY), data=tmp_path / "flat")
