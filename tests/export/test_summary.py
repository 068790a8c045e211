from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from edgeunet_export.int8.export_int8 import Int8Options, export_int8
from edgeunet_export.int8.repair.layers import Latency, measured
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


@pytest.mark.parametrize(
    ("faster", "verdict"),
    [
        ((2.3, 2.6), "2.30 to 2.60 times as fast"),
        ((0.7, 0.9), "0.70 to 0.90 times as fast: slower here; `edgeunet choose` measures"),
        ((0.8, 1.2), "too close to tell in a few calls: `edgeunet choose` measures"),
    ],
)
def test_what_int8_gains_is_said_with_its_bounds(
    faster: tuple[float, float],
    verdict: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgeunet_export.summary.int8_instructions", lambda: ["avx512_vnni"])
    print_latency(Latency(10.0, 8.0, faster))
    assert f"on this CPU: fp32 10.0 ms, int8 8.0 ms, {verdict}" in " ".join(capsys.readouterr().out.split())


def test_the_bounds_of_a_gain_are_of_calls_in_turns() -> None:
    """One call in ten takes ten times as long, of either file; the medians of pairs of calls do not care."""
    rng = np.random.default_rng(0)

    @contextmanager
    def opened(path: Path) -> Iterator[SimpleNamespace]:
        def run(_: object) -> SimpleNamespace:
            ms = (10.0 if path.stem == "float" else 4.0) * rng.choice([1, 10], p=[0.9, 0.1])
            return SimpleNamespace(times_ns={"infer": ms * 1e6})

        yield SimpleNamespace(run=run)

    found = measured(Path("float"), Path("int8"), np.zeros((8, 8, 3), np.uint8), opened)  # type: ignore[arg-type]
    assert found == Latency(10.0, 4.0, (2.5, 2.5))
