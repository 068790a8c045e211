import json
import sys
from pathlib import Path
from typing import Any

import pytest

from edgeunet_export.foreign.hints.file_hints import FileHints, SaidInput, read_hints
from edgeunet_export.foreign.preprocessing import Preprocessing

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def read_beside(folder: Path) -> FileHints:
    """The hints of a network in that folder."""
    (folder / "model.onnx").touch()
    return read_hints(folder / "model.onnx", {})


def said(path: Path, metadata: dict[str, str] | None = None, channels: int = 3) -> SaidInput | None:
    return read_hints(path, metadata or {}).said_input(channels)


def values_of(preprocessing: Preprocessing) -> tuple[str, Any, Any]:
    return preprocessing.order, preprocessing.mean, preprocessing.std


def write(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_ultralytics_metadata_says_rgb_from_0_to_1_the_size_and_the_names(tmp_path: Path) -> None:
    metadata = {"stride": "32", "task": "semantic", "imgsz": "[384, 480]", "names": "{0: 'road', 1: 'car'}"}
    hints = read_hints(tmp_path / "yolo.onnx", metadata)
    assert hints.said_input(3) == SaidInput(
        Preprocessing("rgb", (0, 0, 0), (255, 255, 255)), "Ultralytics' metadata", certain=True
    )
    assert hints.size == ((384, 480), "Ultralytics' metadata")
    assert hints.names == (("road", "car"), "Ultralytics' metadata")
    assert hints.fit[0] == "letterbox"
    assert said(tmp_path / "yolo.onnx", metadata, channels=1) is None


def test_metadata_with_the_parameters_of_an_smp_encoder(tmp_path: Path) -> None:
    metadata = {"mean": "[0.5, 0.5, 0.5]", "std": "[0.5, 0.5, 0.5]", "input_space": "BGR", "input_range": "[0, 1]"}
    found = said(tmp_path / "a.onnx", metadata)
    assert found is not None
    assert (found.preprocessing, found.certain) == (Preprocessing("bgr", (127.5,) * 3, (127.5,) * 3), True)
    of_255 = {**metadata, "mean": "(104, 117, 123)", "std": "(1, 1, 1)", "input_range": "[0, 255]"}
    found = said(tmp_path / "a.onnx", of_255)
    assert found is not None
    assert found.preprocessing == Preprocessing("bgr", (104, 117, 123), (1, 1, 1))


@pytest.mark.parametrize(
    "metadata",
    [
        {"mean": "[0.5, 0.5, 0.5]", "std": "[0.5, 0, 0.5]", "input_space": "RGB"},
        {"mean": "[0.5, 0.5]", "std": "[0.5, 0.5, 0.5]", "input_space": "RGB"},
        {"mean": "[NaN, 0, 0]", "std": "[1, 1, 1]", "input_space": "RGB"},
        {"mean": "__import__('os')", "std": "[1, 1, 1]", "input_space": "RGB"},
        {"mean": "[0.5, 0.5, 0.5]", "std": "[0.5, 0.5, 0.5]"},
        {"mean": f"[{'9' * 400}, 0, 0]", "std": "[1, 1, 1]", "input_space": "RGB"},
        {"names": "[" * 10_000, "stride": "(" * 10_000, "task": "semantic", "imgsz": "9" * 70_000},
    ],
)
def test_metadata_that_makes_no_sense_or_does_not_say_the_order_is_no_input(
    tmp_path: Path, metadata: dict[str, str]
) -> None:
    if "stride" in metadata:
        assert read_hints(tmp_path / "a.onnx", metadata).size == (None, "")
        assert read_hints(tmp_path / "a.onnx", metadata).names == ((), "")
    else:
        assert said(tmp_path / "a.onnx", metadata) is None


def test_the_preprocessor_and_the_labels_of_hugging_face(tmp_path: Path) -> None:
    write(tmp_path / "preprocessor_config.json", {**IMAGENET, "size": {"height": 512, "width": 640}})
    write(tmp_path / "config.json", {"id2label": {"1": "building", "0": "wall"}, "model_type": "segformer"})
    hints = read_beside(tmp_path)
    found = hints.said_input(3)
    assert found is not None
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    assert values_of(found.preprocessing) == ("rgb", pytest.approx(mean), pytest.approx(std))
    assert (found.origin, found.certain) == ("preprocessor_config.json", True)
    assert hints.names == (("wall", "building"), "config.json")
    assert (hints.size[0], hints.fit[0]) == ((512, 640), "stretch")


@pytest.mark.parametrize(
    ("values", "order", "mean", "std"),
    [
        ({"do_normalize": False, "do_flip_channel_order": True}, "bgr", 0, 255),
        ({"do_normalize": False, "do_rescale": False}, "rgb", 0, 1),
        ({"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "rescale_factor": 1 / 255}, "rgb", 127.5, 127.5),
        ({"image_mean": [100] * 3, "image_std": [50] * 3, "do_rescale": False}, "rgb", 100, 50),
    ],
)
def test_what_a_hugging_face_processor_leaves_out(
    tmp_path: Path, values: dict[str, object], order: str, mean: float, std: float
) -> None:
    write(tmp_path / "preprocessor_config.json", values)
    found = said(tmp_path)
    assert found is not None
    assert values_of(found.preprocessing) == (order, pytest.approx((mean,) * 3), pytest.approx((std,) * 3))


def test_a_network_in_the_folder_onnx_has_its_files_above(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    write(tmp_path / "preprocessor_config.json", IMAGENET)
    assert read_beside(tmp_path / "onnx").said_input(3) is not None
    (tmp_path / "onnx" / "deeper").mkdir()
    assert read_beside(tmp_path / "onnx" / "deeper").said_input(3) is None


def test_what_is_no_file_has_no_files_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "preprocessor_config.json", IMAGENET)
    monkeypatch.chdir(tmp_path)
    assert said(Path("package.module:build")) is None


def test_a_grey_preprocessor_is_for_a_grey_network(tmp_path: Path) -> None:
    write(tmp_path / "preprocessor_config.json", {"image_mean": [0.5], "image_std": [0.25]})
    found = said(tmp_path, channels=1)
    assert found is not None
    assert found.preprocessing == Preprocessing("grey", (127.5,), (63.75,))
    assert said(tmp_path, channels=3) is None


def test_the_pipeline_of_mmdeploy(tmp_path: Path) -> None:
    normalize = {"type": "Normalize", "mean": [103.53, 116.28, 123.675], "std": [1, 1, 1], "to_rgb": False}
    resize = {"type": "Resize", "keep_ratio": False, "size": [512, 1024]}
    tasks = [{"name": "Preprocess", "transforms": [{"type": "LoadImageFromFile"}, resize, normalize]}, {"name": "net"}]
    write(tmp_path / "pipeline.json", {"pipeline": {"input": ["img"], "tasks": tasks}})
    hints = read_beside(tmp_path)
    found = hints.said_input(3)
    assert found is not None
    assert found.preprocessing == Preprocessing("bgr", (103.53, 116.28, 123.675), (1, 1, 1))
    assert hints.fit == ("stretch", "pipeline.json")


def test_the_deploy_yaml_of_paddleseg(tmp_path: Path) -> None:
    text = "Deploy:\n  input_shape: [-1, 3, -1, -1]\n  transforms:\n  - type: Resize\n    target_size: [640, 480]\n"
    (tmp_path / "deploy.yaml").write_text(text + "  - type: Normalize\n")
    hints = read_beside(tmp_path)
    assert hints.said_input(3) == SaidInput(
        Preprocessing("rgb", (127.5,) * 3, (127.5,) * 3), "deploy.yaml", certain=True
    )
    assert hints.size == ((480, 640), "deploy.yaml")
    (tmp_path / "deploy.yaml").write_text(text)
    found = said(tmp_path)
    assert found is not None
    assert found.preprocessing == Preprocessing("rgb", (0,) * 3, (1,) * 3)


def test_without_pyyaml_a_yaml_is_not_read_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deploy.yaml").write_text("Deploy: {transforms: []}")
    monkeypatch.setitem(sys.modules, "yaml", None)
    hints = read_beside(tmp_path)
    assert hints.hints == ()
    assert "deploy.yaml was not read" in hints.notes[0]
    assert "pip install 'edgeunet[labels]'" in hints.notes[0]


def test_the_encoder_of_smp_is_a_guess_that_labels_must_confirm(tmp_path: Path) -> None:
    config = {"_model_class": "Unet", "encoder_name": "resnet34", "encoder_weights": "imagenet", "classes": 5}
    write(tmp_path / "config.json", config)
    found = said(tmp_path)
    assert found is not None
    assert found.preprocessing.order == "rgb"
    assert found.preprocessing.mean == pytest.approx((123.675, 116.28, 103.53))
    assert not found.certain
    write(tmp_path / "config.json", {**config, "encoder_name": "xception"})
    found = said(tmp_path)
    assert found is not None
    assert found.preprocessing.mean == (127.5,) * 3
    write(tmp_path / "config.json", {**config, "encoder_weights": None})
    assert said(tmp_path) is None
    write(tmp_path / "config.json", {**config, "encoder_name": "tu-mobilenetv3_large_100"})
    assert said(tmp_path) is None


def test_what_is_certain_goes_before_the_transform_of_albumentations(tmp_path: Path) -> None:
    steps = [
        {"__class_fullname__": "Resize", "height": 320, "width": 480},
        {"__class_fullname__": "albumentations.Normalize", "mean": [0, 0, 0], "std": [1, 1, 1], "max_pixel_value": 255},
    ]
    write(tmp_path / "albumentations_config_eval.json", {"transform": {"transforms": steps}})
    hints = read_hints(tmp_path, {})
    found = hints.said_input(3)
    assert found is not None
    assert (found.preprocessing.std, found.certain, hints.size[0]) == ((255,) * 3, False, (320, 480))
    write(tmp_path / "preprocessor_config.json", IMAGENET)
    found = said(tmp_path)
    assert found is not None
    assert found.certain


@pytest.mark.parametrize("text", ["[1, 2]", "{", '{"id2label": ', "\x00"])
def test_a_file_beside_it_that_is_damaged_is_left_out_with_a_note(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    (tmp_path / "deploy.yaml").write_text("a: [" + text)
    hints = read_beside(tmp_path)
    assert hints.hints == ()
    assert [note.endswith("it was not used") for note in hints.notes] == [True, True]


@pytest.mark.parametrize(
    "labels", [{"0": "LABEL_0", "1": "LABEL_1"}, {"0": "a", "2": "b"}, {"0": 1}, {"x": "a"}, "ab", ["", "a"], 3]
)
def test_names_that_nobody_gave_are_no_names(tmp_path: Path, labels: object) -> None:
    write(tmp_path / "config.json", {"id2label": labels})
    assert read_hints(tmp_path, {}).names == ((), "")


@pytest.mark.parametrize("factor", [0, -1, 1e-320, "1/255", True])
def test_a_factor_that_makes_no_sense_says_nothing(tmp_path: Path, factor: object) -> None:
    write(tmp_path / "preprocessor_config.json", {**IMAGENET, "rescale_factor": factor, "size": [10**9, 10**9]})
    assert said(tmp_path) is None
    assert read_beside(tmp_path).size == (None, "")
