from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgeunet_export.int8.export_int8 import Int8Options, export_int8
from edgeunet_export.int8.repair.layers import Latency
from edgeunet_export.summary import print_latency, print_quantization
from edgeunet_export.verify.accuracy import AccuracyBudget, Drop


def test_what_the_interval_leaves_open_is_said(
    model: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = export_int8(model, tmp_path / "int8.onnx", Int8Options(dataset, images=1), force=False)
    classes = (0.1,) * 5
    for interval, said in (((-0.1, 0.9), True), ((-0.1, 0.2), False), (None, False)):
        accuracy = replace(result.repair.accuracy, drop=Drop(0.1, interval, classes))
        print_quantization(replace(result, repair=replace(result.repair, accuracy=accuracy)), AccuracyBudget(0.3))
        assert ("it may drop by 0.90 points" in capsys.readouterr().out) == said


def test_few_frames_without_labels_are_named(
    model: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = next((dataset / "images" / "val").iterdir())
    result = export_int8(model, tmp_path / "int8.onnx", Int8Options(photo), force=False)
    for frames, said in ((1, True), (50, False)):
        comparison = replace(result.repair.accuracy.comparison, frames=frames)
        accuracy = replace(result.repair.accuracy, comparison=comparison)
        print_quantization(replace(result, repair=replace(result.repair, accuracy=accuracy)), AccuracyBudget(0.3))
        assert ("cannot tell that for others: give a few dozen photos, or a video" in capsys.readouterr().out) == said


def test_int8_that_is_slower_is_not_praised(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeunet_export.summary.int8_instructions", lambda: ["avx512_vnni"])
    print_latency(Latency(10.0, 12.5))
    assert capsys.readouterr().out == (
        "  on this CPU: fp32 10.0 ms, int8 12.5 ms: INT8 is not faster here, keep the fp32 file\n"
    )
    print_latency(Latency(10.0, 4.0))
    assert capsys.readouterr().out == "  on this CPU: fp32 10.0 ms, int8 4.0 ms, 2.5 times as fast\n"
