"""Several cameras through the real command."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgeunet.camera import CameraOptions, run_camera
from edgeunet.errors import UsageError
from edgeunet.latency.record import LatencyRecord
from edgeunet.samples import CLIP
from tests.models import write_toy_model

SOURCE = "synthetic://?width=320&height=240&fps=20&seconds=1"


def test_cameras_are_paired_and_one_line_says_how_they_run(tmp_path: Path) -> None:
    model, record = write_toy_model(tmp_path / "m.onnx", batch="N"), tmp_path / "record.json"
    command = [sys.executable, "-m", "edgeunet", "camera", str(model), "--source", SOURCE, "--source", SOURCE]
    options = ["--sync", "40ms", "--jsonl", "-", "--latency-record", str(record)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    lines = [line for line in map(json.loads, done.stdout.splitlines()) if "frame" in line]
    of_group: dict[int, list[dict[str, int]]] = {}
    for line in lines:
        if line["group"] is not None:
            of_group.setdefault(line["group"], []).append(line)
    assert len(of_group) > 4
    for first, second in of_group.values():
        assert first["source"] != second["source"]
        assert abs(first["captured_ns"] - second["captured_ns"]) <= 40e6
    assert re.search(r"note: 2 sources (take turns|run as one batch of up to 2): a frame takes ", done.stderr)
    kept = LatencyRecord.load(record)
    assert sorted(kept.sources) == ["synthetic://", "synthetic:// (2)"] or len(kept.sources) == 2
    assert [len(part.starts_ms) for part in kept.by_source()] == [
        sum(line["source"] == source for line in lines) for source in kept.sources
    ]


def test_what_cannot_be_paired_is_one_line(tmp_path: Path) -> None:
    model = write_toy_model(tmp_path / "m.onnx")
    with pytest.raises(UsageError, match="give --source again, or leave --sync out"):
        CameraOptions(model, (SOURCE,), sync_ms=10)
    for wrong in (0.0, 2000.0, float("nan")):
        with pytest.raises(UsageError, match="--sync in ms is above 0 and at most 1,000, got"):
            CameraOptions(model, (SOURCE, SOURCE), sync_ms=wrong)
    with pytest.raises(UsageError, match="give cameras only, or files only"):
        run_camera(CameraOptions(model, (SOURCE, str(CLIP)), sync_ms=10))
