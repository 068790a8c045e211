import csv
import math
import sys
from pathlib import Path

import cv2
import pytest

from edgeunet.errors import MissingDependencyError, OutputError
from edgeunet.evaluation.metrics import Scores
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import TENSORRT
from edgeunet_export.graph.model_file import read_fp32_model
from edgeunet_export.int8.candidate import Candidate
from edgeunet_export.int8.repair.layers import Layer
from edgeunet_export.int8.repair.repair import Repair, Step
from edgeunet_export.int8.repair.repair_report import print_accuracy, print_layers, print_steps, write_report
from edgeunet_export.int8.repair.trials import LogitDeviation
from edgeunet_export.verify.accuracy import Accuracy, Drop
from edgeunet_export.verify.mask_agreement import MaskComparison

LAYERS = (
    Layer("up.1.conv.3", 0.2, 0.25, floating=True, cost_ms=1.5),
    Layer("inc.3", 0.003, 0.15, floating=False, cost_ms=0.9),
    Layer("down.0.1.0", 0.0, 0.05, floating=False, cost_ms=0.3),
)


@pytest.fixture
def repair(model: Path) -> Repair:
    float_model, spec = read_fp32_model(model)
    scores = [
        Scores(0.6, (0.7, 0.5, 0.6, 0.4, math.nan), 0.8, 100, (0, 0, 0, 0, 0)),
        Scores(0.59, (0.7, 0.4, 0.6, 0.4, math.nan), 0.8, 100, (0, 0, 0, 0, 7)),
    ]
    comparison = MaskComparison("val", 2, 0.99, (), scores[0], scores[1], (spec, spec))
    accuracy = Accuracy(comparison, Drop(1.0, (0.5, 1.5), (0.0, 10.0, 0.0, 0.0, math.nan)))
    steps = (
        Step("as calibrated", LogitDeviation(0.5, 0.7), accuracy, kept=True),
        Step("bias correction", LogitDeviation(0.6, 0.6), None, kept=False),
        Step("1 convolution in float", LogitDeviation(0.001, 0.99), accuracy, kept=True),
    )
    ranges = Ranges("", "", "train", 0, "mse", 1, 1, 0, settled=False, tensors={})
    return Repair(Candidate.of(float_model, ranges, TENSORRT), accuracy, steps, LAYERS, 40)


def test_the_tables_say_layer_sensitivity_decision_and_cost(repair: Repair, capsys: pytest.CaptureFixture[str]) -> None:
    print_layers(repair)
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["up.1.conv.3", "0.2", "float", "25.0%", "+1.50", "ms"] for line in lines)
    assert any("estimate" in line for line in lines)
    assert any(line.split() == ["inc.3", "0.003", "int8", "15.0%", "–"] for line in lines)
    print_steps(repair)
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["bias", "correction", "0.6", "60.00%", "–", "–"] for line in lines)
    assert any(line.split() == ["as", "calibrated", "0.5", "70.00%", "+1.00", "points"] for line in lines)
    print_accuracy(repair.accuracy)
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["lane_markings", "50.00", "40.00", "+10.00"] for line in lines)
    assert any(line.split() == ["mean", "60.00", "59.00", "+1.00"] for line in lines)
    assert any(line.split() == ["my_car", "–", "–", "(7", "stray)", "–"] for line in lines)
    print_accuracy(Accuracy(repair.accuracy.comparison, None))
    assert capsys.readouterr().out == ""


def test_without_a_measurement_the_cost_is_a_share(repair: Repair, capsys: pytest.CaptureFixture[str]) -> None:
    unmeasured = Layer("up.1.conv.3", 0.2, 0.25, floating=True, cost_ms=None)
    print_layers(Repair(repair.candidate, repair.accuracy, repair.steps, (unmeasured,), 1))
    out = capsys.readouterr().out
    assert "25.0% of INT8's gain" in out
    assert "ms" not in out


def test_the_report_is_a_csv_and_a_plot(repair: Repair, tmp_path: Path) -> None:
    write_report(tmp_path / "report", repair, force=False)
    with open(tmp_path / "report" / "sensitivity.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["layer"] for row in rows] == [layer.name for layer in LAYERS]
    assert [float(row["sensitivity"]) for row in rows] == [layer.sensitivity for layer in LAYERS]
    assert [row["decision"] for row in rows] == ["float", "int8", "int8"]
    assert float(rows[0]["estimated_float_cost_ms"]) == 1.5
    picture = cv2.imread(str(tmp_path / "report" / "sensitivity.png"))
    assert picture is not None
    orange = (abs(picture.astype(int) - (0x2A, 0x7B, 0xE0)).max(axis=2) < 12).sum()
    blue = (abs(picture.astype(int) - (0xD6, 0x82, 0x3B)).max(axis=2) < 12).sum()
    assert min(orange, blue) > 1000
    with pytest.raises(OutputError, match="--force"):
        write_report(tmp_path / "report", repair, force=False)


def test_without_matplotlib_the_command_is_named(
    repair: Repair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependencyError, match="pip install matplotlib"):
        write_report(tmp_path / "report", repair, force=False)
    assert list(tmp_path.iterdir()) == []
