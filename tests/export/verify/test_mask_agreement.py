import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import DatasetError, MismatchError
from edgeunet.spec import ClassInfo
from edgeunet.utils.files import write_json
from edgeunet_export.verify.mask_agreement import compare
from tests.models import toy_mask, toy_spec, write_toy_model

SIZE = (32, 48)


@pytest.fixture
def folder(tmp_path: Path) -> DatasetFolder:
    """Two frames of random colours; their labels are what the toy model answers."""
    generator = np.random.default_rng(0)
    path = tmp_path / "data"
    for kind in ("images", "masks"):
        (path / kind / "val").mkdir(parents=True)
    for name in ("a", "b"):
        frame = generator.integers(0, 256, (*SIZE, 3), np.uint8)
        cv2.imwrite(str(path / "images" / "val" / f"{name}.png"), frame)
        cv2.imwrite(str(path / "masks" / "val" / f"{name}.png"), toy_mask(frame))
    classes = [{"index": i, "name": c.name, "color": c.color} for i, c in enumerate(toy_spec().classes)]
    write_json(path / "classes.json", {"classes": classes}, force=False)
    return DatasetFolder.open(path)


def test_a_model_agrees_with_itself_and_both_are_scored(folder: DatasetFolder, tmp_path: Path) -> None:
    model = write_toy_model(tmp_path / "a.onnx")
    result = compare(model, model, folder, "val")
    assert (result.frames, result.agreement, result.worst[0].agreement) == (2, 1.0, 1.0)
    assert result.scores_a is not None
    assert result.scores_a == result.scores_b
    assert result.scores_a.miou == 1.0


def test_the_agreement_is_the_share_of_pixels_and_the_worst_frame_is_named(
    folder: DatasetFolder, tmp_path: Path
) -> None:
    a, b = write_toy_model(tmp_path / "a.onnx"), write_toy_model(tmp_path / "b.onnx")
    tint = np.array([1.3, 1.0, 1.0], np.float32)  # B sees the frames bluer
    proto = onnx.load(b)
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.diag(tint).reshape(3, 3, 1, 1), "weight"))
    onnx.save(proto, b)
    shares = {s.name: float(np.mean(s.mask == (s.frame * tint).argmax(2))) for s in load_split(folder, "val")}
    result = compare(a, b, folder, "val", worst=2)
    assert result.agreement == pytest.approx(np.mean(list(shares.values())))
    assert [frame.name for frame in result.worst] == sorted(shares, key=shares.__getitem__)
    assert [frame.agreement for frame in result.worst] == pytest.approx(sorted(shares.values()))
    assert [frame.name for frame in compare(a, b, folder, "val").worst] == [min(shares, key=shares.__getitem__)]
    assert result.scores_a is not None
    assert result.scores_b is not None
    assert result.scores_b.accuracy == pytest.approx(result.agreement)
    assert result.scores_a.accuracy == 1.0


def test_frames_without_masks_are_compared_but_not_scored(folder: DatasetFolder, tmp_path: Path) -> None:
    shutil.rmtree(folder.path / "masks")
    model = write_toy_model(tmp_path / "a.onnx")
    result = compare(model, model, folder, "val")
    assert result.agreement == 1.0
    assert result.scores_a is None
    assert result.scores_b is None


def test_models_of_other_input_sizes_are_compared_at_the_frame_s_size(folder: DatasetFolder, tmp_path: Path) -> None:
    a, b = write_toy_model(tmp_path / "a.onnx"), write_toy_model(tmp_path / "b.onnx", toy_spec((64, 96)))
    assert 0.5 < compare(a, b, folder, "val").agreement < 1.0


def test_bad_input_is_named(folder: DatasetFolder, tmp_path: Path) -> None:
    model = write_toy_model(tmp_path / "a.onnx")
    other = replace(toy_spec(), classes=(*toy_spec().classes[:2], ClassInfo("tree", (1, 2, 3))))
    with pytest.raises(MismatchError, match=r"b\.onnx has the classes road, car, tree"):
        compare(model, write_toy_model(tmp_path / "b.onnx", other), folder, "val")
    (folder.path / "images" / "val" / "a.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"a\.png: is empty"):
        compare(model, model, folder, "val")
