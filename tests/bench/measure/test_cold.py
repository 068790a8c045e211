"""Fresh processes: real ones, timed from their start to the first mask."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgeunet.errors import CommandError, ModelFileError
from edgeunet.latency.record import LatencyRecord
from edgeunet_bench.measure import cold
from edgeunet_bench.measure.cold import measure_cold
from edgeunet_bench.measure.input_frames import InputFrames
from edgeunet_bench.measure.measure_options import MeasureOptions
from edgeunet_bench.measure.run_command import run_process


def test_each_process_has_its_way_to_the_first_mask(
    model: Path, inputs: InputFrames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cold, "IDLE_S", 1.0)
    record = measure_cold(model, inputs, MeasureOptions("cold", processes=2, deadline_ms=5000.0), threads=1)
    assert record.mode == "cold"
    assert record.summary().n == 2
    assert record.stages == ("interpreter", "imports", "read", "open", "first mask")
    parts = np.sum([record.samples_ms[stage] for stage in record.stages], axis=0)
    assert parts.tolist() == pytest.approx(record.samples_ms["total"].tolist())
    assert record.samples_ms["imports"].min() > 10  # NumPy and OpenCV at least
    assert record.starts_ms[1] - record.samples_ms["total"][0] >= 1000  # the first one was idle after its mask
    assert {name: len(times) for name, times in record.others_ms.items()} == {
        "first frame after 1 s idle": 2,
        "frame before the idle time": 2,
    }
    assert (record.machine["threads"], record.deadline_ms) == ("1", 5000.0)
    assert record.telemetry is None or "process_mb" not in record.telemetry.values
    record.save(tmp_path / "record.json", force=False)
    assert LatencyRecord.load(tmp_path / "record.json").to_dict() == record.to_dict()


@pytest.mark.slow
def test_ctrl_c_keeps_the_processes_that_are_done(
    model: Path, inputs: InputFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [3]

    def interrupted(*arguments: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return run_process(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(cold, "IDLE_S", 0.0)
    monkeypatch.setattr(cold, "run_process", interrupted)
    record = measure_cold(model, inputs, MeasureOptions("cold"))
    assert record.partial
    assert record.summary().n == 1
    left[0] = 2
    with pytest.raises(KeyboardInterrupt):
        measure_cold(model, inputs, MeasureOptions("cold"))


def test_a_model_that_does_not_open_is_said_before_any_process(tmp_path: Path, inputs: InputFrames) -> None:
    with pytest.raises(ModelFileError, match="no such model file"):
        measure_cold(tmp_path / "missing.onnx", inputs, MeasureOptions("cold"))


def test_a_process_that_fails_is_said(model: Path, inputs: InputFrames, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(CommandError, match=r"toy\.onnx in a fresh process. failed \(exit code 1"):
        measure_cold(model, inputs, MeasureOptions("cold", processes=1))
