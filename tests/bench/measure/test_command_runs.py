"""Measuring commands: real ones, run again and again."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeunet.errors import CommandError, UsageError
from edgeunet.latency.record import LatencyRecord
from edgeunet_bench.measure import command_runs
from edgeunet_bench.measure.command_runs import measure_command
from edgeunet_bench.measure.measure_options import MeasureOptions

PRINTS = shlex.join([sys.executable, "-S", "-c", "print('2.5\\nwarm\\n1.5\\n4.0')"])
FAILS = shlex.join([sys.executable, "-S", "-c", "raise SystemExit('no disk')"])


def test_what_runs_print_is_put_together(tmp_path: Path) -> None:
    options = MeasureOptions(seconds=60, max_frames=5, deadline_ms=3.0)
    record = measure_command(PRINTS, whole=False, options=options)
    assert record.samples_ms["total"].tolist() == [2.5, 1.5, 4.0] * 2  # the run that went beyond 5 is whole
    assert record.starts_ms[:3].tolist() == [0.0, 2.5, 4.0]
    assert record.starts_ms[3] > 8.0  # a process later
    assert (record.mode, record.deadline_ms, record.warmup_frames, record.stages) == ("single", 3.0, 0, ())
    assert record.subject.model.startswith(shlex.quote(sys.executable))
    assert (record.subject.backend, record.subject.model_sha256) == ("command", "")
    assert "python" in record.machine
    assert record.telemetry is None or "process_mb" not in record.telemetry.values
    record.save(tmp_path / "record.json", force=False)
    assert LatencyRecord.load(tmp_path / "record.json").to_dict() == record.to_dict()


def test_a_whole_run_is_a_sample_after_a_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_runs, "MAX_WARMUP_S", 0.01)  # one window
    record = measure_command("true", whole=True, options=MeasureOptions(seconds=0.2))
    assert record.warmup_frames >= 3
    assert record.summary().n >= 2
    ends = record.starts_ms + record.samples_ms["total"]
    assert (record.starts_ms[1:] >= ends[:-1]).all()
    assert record.frames != measure_command(PRINTS, whole=False, options=MeasureOptions(max_frames=1)).frames


def test_a_run_that_fails_leaves_no_record() -> None:
    for whole in (False, True):
        with pytest.raises(CommandError, match="no disk"):
            measure_command(FAILS, whole=whole, options=MeasureOptions())


def test_a_command_has_no_other_modes() -> None:
    with pytest.raises(UsageError, match="the mode cold is for models"):
        measure_command(PRINTS, whole=False, options=MeasureOptions("cold"))


def test_ctrl_c_keeps_the_runs_that_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [np.array([1.0, 2.0]), np.array([3.0])]

    def run(*_: object, **__: object) -> object:
        if not runs:
            raise KeyboardInterrupt
        return runs.pop(0)

    monkeypatch.setattr(command_runs, "run_command", run)
    record = measure_command(PRINTS, whole=False, options=MeasureOptions())
    assert record.partial
    assert record.samples_ms["total"].tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(KeyboardInterrupt):  # nothing to keep
        measure_command(PRINTS, whole=False, options=MeasureOptions())
