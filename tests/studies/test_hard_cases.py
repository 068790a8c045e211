from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies.hard_cases import Case, cases, quantise
from edgeunet import samples
from edgeunet.data.dataset import DatasetFolder
from edgeunet.errors import ExportError
from edgeunet.network.unet import UNetConfig
from edgeunet.quantisation.target import TENSORRT
from edgeunet_export.calibration.calibrate import CalibrationOptions, calibrated
from edgeunet_export.calibration.frames import read_frames
from edgeunet_export.graph.model_file import read_fp32_model
from edgeunet_export.verify.accuracy import AccuracyBudget
from tests.export.labels import write_own_labels
from tests.export.networks import save_network

BUDGET = AccuracyBudget(max_drop=15)  # the labels are an untrained network's own masks, which are full of small regions


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Case], DatasetFolder]:
    """All cases of a small untrained network, and a dataset on which it is always right."""
    folder = tmp_path_factory.mktemp("cases")
    checkpoint = save_network(folder / "net.pt", UNetConfig(classes=5, features=(8, 16), up="nearest"), (64, 96))
    found = list(cases(checkpoint, DatasetFolder.open(samples.DATASET), "train", 6, folder))
    return found, DatasetFolder.open(write_own_labels(found[0].model, samples.DATASET, folder / "data"))


def _peaks(case: Case) -> dict[str, float]:
    model, spec = read_fp32_model(case.model)
    return {n: r.high for n, r in calibrated(model, spec, case.images, CalibrationOptions(Path())).tensors.items()}


@pytest.mark.slow
def test_the_cases_are_as_hard_as_they_say(made: tuple[list[Case], DatasetFolder]) -> None:
    plain, normed, rescaled, outliers, night, few, black = made[0]
    usual = _peaks(plain)["up.1.conv.2"]
    assert _peaks(normed)["up.1.conv.2"] == pytest.approx(usual, rel=0.1)
    assert _peaks(rescaled)["up.1.conv.2"] > 500 * usual
    assert _peaks(outliers)["up.1.conv.2"] > 100 * usual
    light = {case.name: np.mean([frame.mean() for _, frame in read_frames(case.images)]) for case in (plain, night)}
    assert light[night.name] < 0.3 * light[plain.name]
    assert (len(few.images), len(black.images)) == (4, 5)
    assert min(frame.max() for _, frame in read_frames(black.images)) == 0


@pytest.mark.slow
def test_every_case_ends_within_its_budget_or_says_how_close_it_came(made: tuple[list[Case], DatasetFolder]) -> None:
    found, data = made
    drops: dict[str, float] = {}
    for case in found:
        result = quantise(case, data, "val", TENSORRT, BUDGET)
        assert result.default.drop is not None
        drops[case.name] = result.default.drop.points
        if isinstance(result.repair, ExportError):
            assert "at best" in str(result.repair)
        else:
            assert BUDGET.met(result.repair.accuracy)
            assert result.repair.repaired == (not BUDGET.met(result.default))
    rescaled, outliers = found[2].name, found[3].name
    assert min(drops[rescaled], drops[outliers]) > BUDGET.max_drop
    assert drops[found[0].name] <= BUDGET.max_drop
