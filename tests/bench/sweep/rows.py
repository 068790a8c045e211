"""Rows of a sweep for tests, from samples that are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeunet_bench.sweep.sweep_file import Row, Sweep


def toy_row(
    model: str, p50_ms: float, miou: float | None = None, *, slow_ms: float | None = None, **fields: Any
) -> Row:
    """100 calls of p50_ms, of which the slowest three take slow_ms, in two passes."""
    times = np.full(100, p50_ms)
    if slow_ms is not None:
        times[::34] = slow_ms
    known: dict[str, Any] = {
        "model_sha256": "ab" * 32,
        "precision": "fp32",
        "input_size": (32, 48),
        "size_bytes": 1234,
        "parameters": None,
        "backend": "onnxruntime",
        "version": "1.0",
        "threads": 1,
        "passes_ms": (times[:50], times[50:]),
    }
    return Row(model=model, miou=miou, **(known | fields))


def toy_sweep(*rows: Row, **fields: Any) -> Sweep:
    known: dict[str, Any] = {
        "machine": {"cpu": "Some CPU"},
        "frames": "road, 2 frames of 582x437",
        "labels": "road, val",
        "created": "2026-01-02T03:04:05+00:00",
        "command": "edgeunet bench sweep",
        "budget_ms": None,
        "passes": 2,
        "partial": False,
        "skipped": (),
    }
    return Sweep(rows=rows, **(known | fields))
