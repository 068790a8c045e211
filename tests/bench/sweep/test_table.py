from __future__ import annotations

import numpy as np

from edgeunet_bench.sweep.sweep_file import SkippedRun
from edgeunet_bench.sweep.table import skipped_lines, skipped_table, sweep_table
from tests.bench.sweep.rows import toy_row, toy_sweep


def test_the_fastest_comes_first_and_few_samples_are_marked() -> None:
    many = (np.full(500, 7.0),)
    table = sweep_table(toy_sweep(toy_row("slow.onnx", 9.0), toy_row("fast.onnx", 7.0, 0.5812, passes_ms=many)))
    assert table.header == ("model", "precision", "backend", "input", "thr.", "mIoU %", "p50", "p90", "p99")
    assert table.rows[0] == ("fast", "fp32", "onnxruntime", "32×48", "1", "58.1", "7.00", "7.00", "7.00")
    assert table.rows[1][-4:] == ("–", "9.00", "9.00", "9.00*")
    assert "too few samples" in table.note


def test_columns_without_anything_are_left_out() -> None:
    assert "mIoU %" not in sweep_table(toy_sweep(toy_row("a.onnx", 9.0))).header
    wide = sweep_table(toy_sweep(toy_row("a.pt", 9.0, parameters=450_000, energy_mj=12.34)), wide=True)
    cells = dict(zip(wide.header, wide.rows[0], strict=True))
    assert (cells["parameters"], cells["mJ"], cells["MB"]) == ("0.45 M", "12.3", "0.00")
    assert wide.note.startswith("the fastest is a.pt (p50 9.00 ms, p99 9.00 ms);")
    assert cells["p50"] == "9.00 (9.00–9.00)"
    assert cells["p99"] == "9.00 (insufficient)"


def test_the_note_says_when_the_machine_was_not_steady_and_when_it_is_partial() -> None:
    moved = toy_row("a.onnx", 1.0, passes_ms=(np.full(50, 10.0), np.full(50, 12.0)))
    note = sweep_table(toy_sweep(moved, toy_row("b.onnx", 5.0), partial=True)).note
    assert "in 1 of 2 rows the passes differ, by 20 % at most" in note
    assert "partial" in note
    hot = sweep_table(toy_sweep(toy_row("a.onnx", 5.0, throttled=True))).note
    assert "throttled in 1 of 1 rows" in hot
    steady = sweep_table(toy_sweep(toy_row("b.onnx", 5.0))).note
    assert "steady" not in steady
    assert "throttled" not in steady
    assert "partial" not in steady


def test_what_did_not_run_stands_with_its_reason() -> None:
    skipped = (
        SkippedRun("a.onnx", (32, 48), "openvino", 2, "not installed"),
        SkippedRun("b.pt", None, "", None, "damaged"),
    )
    table = skipped_table(toy_sweep(toy_row("c.onnx", 1.0), skipped=skipped))
    assert table.rows[0] == ("a.onnx", "openvino", "32×48", "2", "not installed")
    assert skipped_lines(toy_sweep(toy_row("c.onnx", 1.0), skipped=skipped)) == [
        "not run: a.onnx (32×48, openvino, 2 threads): not installed",
        "not run: b.pt: damaged",
    ]
    assert table.rows[1] == ("b.pt", "–", "–", "–", "damaged")
