from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeunet_bench.fit.builder import BuiltModel, _slower
from edgeunet_bench.fit.card import Card
from edgeunet_bench.fit.shortlist import DeviceBudget, Rejected
from tests.bench.sweep.rows import toy_row, toy_sweep


@pytest.fixture
def built(tmp_path: Path) -> BuiltModel:
    model, checkpoint = tmp_path / "small-32x48-int8.onnx", tmp_path / "best.pt"
    model.write_bytes(b"model")
    checkpoint.write_bytes(b"checkpoint")
    iou = {"road": 0.9, "sign|post": None}
    scores = {"miou": 0.9, "accuracy": 0.95, "iou": iou, "split": "test", "frames": 3, "dataset": "road"}
    scores["model_sha256"] = "ab"
    return BuiltModel(model, checkpoint, scores, "agrees on 99 %", _slower(2, "float"), ("edgeunet train",))


def card(built: BuiltModel, **fields: Any) -> Card:
    row = toy_row("small-32x48-int8.onnx", 9.0, network="small", **fields)
    known = {"created": "2026-01-02T03:04:05+00:00", "command": "edgeunet fit", "device_commands": ["edgeunet bench"]}
    rejected = [Rejected("nano", "p99 | 12 ms")]
    budget, sweep = DeviceBudget(10), toy_sweep(row, partial=True)
    return Card(budget=budget, row=row, sweep=sweep, built=built, rejected=rejected, **known)  # type: ignore[arg-type]


def test_what_makes_the_figures_worth_less_is_said(built: BuiltModel) -> None:
    times = np.r_[np.full(991, 9.0), np.full(9, 20.0)]  # p99 is 9 ms; its upper bound is not
    notes = card(built, passes_ms=(times,), throttled=True).notes
    assert [note.partition(":")[0] for note in notes] == [
        "2 convolution(s) stay in float but not in the file that was measured",
        "the upper bound of p99 is over 10 ms",
        "the device throttled while it was measured",
        "the sweep was interrupted",
    ]
    sure = card(built, passes_ms=(np.full(1000, 9.0),)).notes
    assert not any("upper bound" in note or "throttled" in note for note in sure)


def test_the_markdown_escapes_what_it_shows(built: BuiltModel) -> None:
    text = card(built).markdown()
    assert "| sign\\|post | – |" in text
    assert "| nano | p99 \\| 12 ms |" in text
    assert "energy | not measured" in text
    assert "chosen by this split" not in text  # it was not val
