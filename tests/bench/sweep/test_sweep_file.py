from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeunet.errors import RecordError
from edgeunet_bench.sweep.sweep_file import SkippedRun, Sweep
from tests.bench.sweep.rows import toy_row, toy_sweep


def test_a_file_holds_all_of_it(tmp_path: Path) -> None:
    skipped = SkippedRun("best.pt", (8, 8), "openvino", 2, "not installed")
    sweep = toy_sweep(toy_row("a.onnx", 5.0, 0.6, energy_mj=3.5), skipped=(skipped,), budget_ms=20.0, partial=True)
    sweep.save(tmp_path / "sweep.json", force=False)
    loaded = Sweep.load(tmp_path / "sweep.json")
    assert loaded.to_dict() == sweep.to_dict()
    assert loaded.skipped == (skipped,)
    assert loaded.rows[0].input_size == (32, 48)
    stored = json.loads((tmp_path / "sweep.json").read_text())
    assert stored["rows"][0]["summary_ms"]["p50"]["value"] == 5.0  # for readers that compute no quantiles


def test_quantiles_are_of_all_passes_and_their_difference_is_told() -> None:
    row = toy_row("a.onnx", 1.0, passes_ms=(np.full(300, 10.0), np.full(300, 12.0)))
    assert row.summary.n == 600
    assert row.summary.p50.value == 10.0
    assert row.summary.p99.value == 12.0
    assert row.summary.p99.interval == (12.0, 12.0)
    assert row.spread == pytest.approx(1.2)


def _set(value: dict[str, Any], name: str, new: Any) -> None:
    value["rows"][0][name] = new


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda v: v.update(schema="edgeunet.sweep/99"), "schema"),
        (lambda v: v.update(rows=[]), "needs a row"),
        (lambda v: v.pop("machine"), "machine"),
        (lambda v: _set(v, "passes_ms", [[1.0, -2.0]]), "a.onnx must be times from 0"),
        (lambda v: _set(v, "passes_ms", [[1.0, None]]), "a.onnx must be times from 0"),
        (lambda v: _set(v, "passes_ms", [[]]), "no samples of a.onnx"),
        (lambda v: _set(v, "passes_ms", [["a"]]), "list of numbers"),
        (lambda v: _set(v, "miou", 58.1), "miou: expected a number <= 1.0"),
        (lambda v: _set(v, "input_size", [1]), "input_size: expected a list of length 2"),
        (lambda v: _set(v, "input_size", [0, 32]), "whole number >= 1"),
        (lambda v: _set(v, "model", 5), "model: expected text, got a whole number"),
        (lambda v: _set(v, "network", ["nano"]), "network: expected text, got a list"),
        (lambda v: _set(v, "size_bytes", "many"), "size_bytes: expected a whole number, got text"),
        (lambda v: _set(v, "passes_ms", []), "has no passes"),
        (lambda v: _set(v, "threads", 0), "threads: expected a whole number >= 1"),
        (lambda v: v.update(created="x"), "created is 'x'"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, damage: Callable[[dict[str, Any]], Any], word: str) -> None:
    value = toy_sweep(toy_row("a.onnx", 5.0, 0.6)).to_dict()
    damage(value)
    (tmp_path / "bad.json").write_text(json.dumps(value))
    with pytest.raises(RecordError, match=word) as caught:
        Sweep.load(tmp_path / "bad.json")
    assert "bad.json" in str(caught.value)
    assert "\n" not in str(caught.value)
