from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeunet import samples
from edgeunet.errors import MismatchError, OutputError, UsageError
from edgeunet.imaging.letterbox import UInt8
from edgeunet.runtime import open_session
from edgeunet.runtime.cpu.onnxruntime_model import OrtModel
from edgeunet.runtime.model_metadata import read_spec
from edgeunet.utils.files import sha256
from edgeunet_export.foreign.import_model import Imported, ImportOptions, import_model
from edgeunet_export.foreign.preprocessing import scale_of_values
from tests.export.foreign.foreign_models import CLASSES, SIZE, NetworkFile

CLASS_LIST = samples.DATASET / "classes.json"
SAID = ImportOptions(classes=CLASS_LIST, order="rgb", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
FRAME: UInt8 = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)


def imported(source: Path, options: ImportOptions = SAID) -> Imported:
    return import_model(str(source), source.with_name("ours.onnx"), options, force=False)


def test_it_is_the_network_that_its_own_preprocessing_feeds(tmp_path: Path) -> None:
    theirs = NetworkFile().body().result().save(tmp_path / "theirs.onnx")
    found = imported(theirs)
    planes = (FRAME[:, :, ::-1] / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    (logits,) = OrtModel(str(theirs), origin="theirs").run(None, {"input": planes.transpose(2, 0, 1)[None].astype("f")})
    with open_session(tmp_path / "ours.onnx") as session:
        ours = session.run(FRAME).mask
    assert len(np.unique(ours)) > 1
    assert np.mean(ours == logits[0].argmax(0)) > 0.999
    assert found.proof.agreement > 0.999
    spec = read_spec(tmp_path / "ours.onnx")
    assert spec.input_size == SIZE
    assert spec.provenance.parent_sha256 == sha256(theirs)
    assert spec.mean == pytest.approx((103.53, 116.28, 123.675))


def test_with_labels_both_are_scored(tmp_path: Path) -> None:
    theirs = NetworkFile().body().result().save(tmp_path / "theirs.onnx")
    proof = imported(theirs, replace(SAID, classes=None, data=samples.DATASET)).proof
    assert proof.frames == 2
    assert proof.miou is not None
    assert proof.miou[0] == pytest.approx(proof.miou[1], abs=0.001)


def test_what_is_not_said_is_named(tmp_path: Path) -> None:
    theirs = NetworkFile().body().result().save(tmp_path / "theirs.onnx")
    with pytest.raises(UsageError, match="--rgb or --bgr; --mean and --std, or --range"):
        imported(theirs, ImportOptions(classes=CLASS_LIST))
    with pytest.raises(UsageError, match="--classes"):
        imported(theirs, replace(SAID, classes=None))
    free = NetworkFile((1, 3, "h", "w")).body().result().save(tmp_path / "free.onnx")
    with pytest.raises(UsageError, match="--size"):
        imported(free)
    assert not (tmp_path / "ours.onnx").exists()


def test_another_number_of_classes_is_refused(tmp_path: Path) -> None:
    theirs = NetworkFile().body(CLASSES - 1).result().save(tmp_path / "theirs.onnx")
    with pytest.raises(MismatchError, match=r"tells 4 classes apart, and .* has 5 .*--classes"):
        imported(theirs)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"mean": (1.0, 2.0), "std": (1.0,)}, "3 channel.*--mean has 2 values, --std 1"),
        ({"mean": (float("nan"),), "std": (1.0,)}, "are numbers, std above 0"),
        ({"mean": (0.0,), "std": (0.0,)}, "are numbers, std above 0"),
        ({"mean": None, "std": None, "value_range": (1.0, 0.0)}, "LOW below HIGH"),
        ({"mean": (123.0,), "std": (0.229,)}, "--mean 123 and --std 0.229 do not fit together"),
        ({"mean": (0.485, 0.456, 0.406), "std": (58.0,)}, "do not fit together: one is of frames from 0 to 1"),
    ],
)
def test_a_scale_that_is_none_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    theirs = NetworkFile().body().result().save(tmp_path / "theirs.onnx")
    with pytest.raises(UsageError, match=said):
        imported(theirs, replace(SAID, **changes))


@pytest.mark.parametrize(
    ("mean", "std", "understood"),
    [
        ((0.5,), (0.25,), ((127.5,) * 3, (63.75,) * 3)),
        ((0.0,), (1.0,), ((0.0,) * 3, (255.0,) * 3)),
        ((123.0, 116.0, 103.0), (58.0, 57.0, 57.0), ((123.0, 116.0, 103.0), (58.0, 57.0, 57.0))),
        ((103.0, 116.0, 123.0), (1.0,), ((103.0, 116.0, 123.0), (1.0,) * 3)),
    ],
)
def test_mean_and_std_are_understood_as_people_write_them(mean: Any, std: Any, understood: Any) -> None:
    assert scale_of_values(mean, std, 3) == understood


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    theirs = NetworkFile().body().result().save(tmp_path / "theirs.onnx").rename(tmp_path / "b\udcff.onnx")
    assert imported(theirs).spec.provenance.network == "b\\udcff"


def test_an_output_that_exists_is_kept(tmp_path: Path) -> None:
    theirs = NetworkFile().body().result().save(tmp_path / "theirs.onnx")
    (tmp_path / "ours.onnx").write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        imported(theirs)
    with pytest.raises(UsageError, match="is also THEIRS"):
        import_model(str(theirs), theirs, SAID, force=True)
    assert (tmp_path / "ours.onnx").read_text() == "mine"


def test_masks_of_one_class_prove_little(tmp_path: Path) -> None:
    network = NetworkFile().body()
    network.add("Mul", network.exact(np.zeros(1, np.float32)))
    found = imported(network.result().save(tmp_path / "theirs.onnx"))
    assert found.proof.only == found.spec.names[0]


def test_an_order_of_colours_for_a_grey_network_is_refused(tmp_path: Path) -> None:
    theirs = NetworkFile((1, 1, *SIZE))
    theirs.channels = 1
    path = theirs.body().result().save(tmp_path / "theirs.onnx")
    said = ImportOptions(classes=CLASS_LIST, value_range=(0, 1))
    with pytest.raises(UsageError, match="one channel, grey: leave out --rgb and --bgr"):
        imported(path, replace(said, order="rgb"))
    assert imported(path, said).found.preprocessing.order == "grey"
