"""The study of familiarity: its measures by hand, and a run of it on the package's own frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies.familiarity import __main__ as study
from benchmarks.studies.familiarity.frame_scores import NAMES, ScoringModel, auroc, interval
from edgeunet import samples
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.network.unet import UNetConfig
from edgeunet.runtime import open_session
from edgeunet_export.export_onnx import ExportOptions, export_onnx
from edgeunet_export.graph.model_file import read_model, set_spec, write_model
from tests.export.networks import save_network


def test_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    assert auroc(np.array([3.0, 4]), np.array([1.0, 2])) == 1
    assert auroc(np.array([1.0, 2]), np.array([3.0, 4])) == 0
    assert auroc(np.array([1.0, 2]), np.array([1.0, 2])) == 0.5
    assert auroc(np.array([1.0, 3]), np.array([2.0])) == 0.5


def test_its_interval_holds_it_and_narrows_with_more_frames() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for count in (20, 200):
        ordinary, unlike = rng.normal(1, 1, count), rng.normal(0, 1, count)
        low, high = interval(ordinary, unlike)
        assert low < auroc(ordinary, unlike) < high
        widths.append(high - low)
    assert widths[1] < 0.6 * widths[0]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    checkpoint = save_network(folder / "net.pt", UNetConfig(classes=5, features=(8, 16), up="nearest"), (64, 96))
    path = folder / "m.onnx"
    options = ExportOptions(logits=True, confidence=True)
    export_onnx(checkpoint, path, options, data=samples.DATASET, split="val", force=False)
    return path


def test_familiarity_is_that_of_a_session(model: Path) -> None:
    sample = load_split(DatasetFolder.open(samples.DATASET), "val")[0]
    frame = np.asarray(sample.frame, np.uint8)
    with open_session(model) as session:
        familiarity = session.run(frame).familiarity
    scored = ScoringModel(model).scored([(frame, sample.mask)])
    assert scored.scores["familiarity"][0] == pytest.approx(familiarity, abs=1e-3)
    assert (scored.scores["energy"] > scored.scores["maximum logit"]).all()
    assert 0 <= scored.miou <= 1


@pytest.mark.slow
def test_the_study_has_every_figure(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "SEVERITIES", (5,))
    proto, spec = read_model(model)
    set_spec(proto, spec.with_provenance(precision="int8"))
    write_model(proto, tmp_path / "int8.onnx")
    photos = samples.DATASET / "images" / "train"
    found = study.measured(model, samples.DATASET, tmp_path / "int8.onnx", {"photos": photos}, 3)
    assert set(found["conditions"]) == {"dark 5", "fog 5", "rain 5", "blur 5", "noise 5", "photos"}
    for row in found["conditions"].values():
        assert all(0 <= row[name]["found"] <= 1 and 0 <= row[name]["auroc"] <= 1 for name in NAMES)
    assert set(found["cost"]) == {f"{p}, {b}" for p in ("fp32", "int8") for b in ("onnxruntime", "openvino")}
