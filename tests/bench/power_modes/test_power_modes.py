"""`edgeunet bench modes` as it is typed. nvpmodel is a stand-in; the model and the measurement are real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from edgeunet.board.power_modes import PowerMode
from edgeunet.board.sensors.sysfs import Sensor
from edgeunet.cli.bench import app
from edgeunet.errors import BoardError, MissingDependencyError, ModelFileError, OutputError, SourceError, UsageError
from edgeunet_bench.power_modes import measure_modes
from edgeunet_bench.power_modes.modes_file import MeasuredMode, Modes, SkippedMode
from edgeunet_bench.power_modes.table import modes_table, skipped_lines
from edgeunet_bench.sweep.visit import VisitError
from tests.bench.records import toy_record, toy_telemetry
from tests.fakes.nvpmodel import FakeNvpmodel
from tests.marks import slow
from tests.processes import started

CHECKOUT = Path(__file__).parents[3]
QUICK = ("--seconds", "0.1", "--cool-down-s", "0", "--threads", "1", "--backend", "onnxruntime")


@pytest.fixture(autouse=True)
def _on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


def _bench(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["modes", *map(str, arguments)])


def instead_of_measuring(monkeypatch: pytest.MonkeyPatch, fake: FakeNvpmodel, failing: str = "") -> list[str]:
    """Stands in for the process that measures; gives the modes that were set while it ran."""
    seen: list[str] = []

    def measured(*_: Any) -> Any:
        seen.append(fake.mode)
        if fake.mode == failing:
            raise VisitError("out of memory")
        return toy_record(np.full(500, 5.0))

    monkeypatch.setattr(measure_modes, "fresh", measured)
    return seen


def test_every_mode_is_measured_and_the_one_before_is_set_again(model: Path, tmp_path: Path) -> None:
    fake = FakeNvpmodel(tmp_path / "bin", needs_reboot=("MAXN_SUPER",), refused=("7W",))
    output = tmp_path / "modes.json"
    result = _bench(model, "-o", output, *QUICK)
    assert result.exit_code == 0, result.output
    assert fake.mode == "25W"
    assert not fake.rebooted
    value = json.loads(output.read_text())
    assert value["schema"] == "edgeunet.modes/1"
    assert value["found"] == {"number": 1, "name": "25W"}
    assert [m["name"] for m in value["modes"]] == ["25W", "15W"]
    assert all(len(m["record"]["samples_ms"]["total"]) > 2 for m in value["modes"])
    reasons = {s["name"]: s["reason"] for s in value["skipped"]}
    assert reasons["MAXN_SUPER"].startswith("needs a reboot: sudo nvpmodel -m 2")
    assert "failed to set CPU_A78_0" in reasons["7W"]
    assert "2 modes written to" in result.output
    assert "not measured: MAXN_SUPER (number 2): needs a reboot" in result.output


def test_a_failure_in_one_mode_is_told_and_the_others_go_on(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeNvpmodel(tmp_path / "bin")
    seen = instead_of_measuring(monkeypatch, fake, failing="15W")
    result = _bench(model, "-o", tmp_path / "m.json", "--cool-down-s", 0, "--json")
    assert seen == ["25W", "15W", "MAXN_SUPER", "7W"]  # the one that is set comes first
    value = json.loads(result.stdout)
    assert [m["name"] for m in value["modes"]] == ["25W", "MAXN_SUPER", "7W"]
    assert [s["reason"] for s in value["skipped"]] == ["out of memory"]
    assert fake.mode == "25W"


def test_one_mode_is_one_mode(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = tuple(name for name in FakeNvpmodel.modes.values() if name != "25W")
    instead_of_measuring(monkeypatch, FakeNvpmodel(tmp_path / "bin", needs_reboot=others))
    assert "1 mode not kept: -o FILE keeps them" in _bench(model, "--cool-down-s", 0).output


def test_who_is_not_root_is_refused(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeNvpmodel(tmp_path / "bin", root=False)
    seen = instead_of_measuring(monkeypatch, fake)
    error = _bench(model).exception
    assert isinstance(error, BoardError)
    assert "NVPM ERROR: Error opening /var/lib/nvpmodel/status: 13" in str(error)
    assert (seen, fake.mode) == ([], "25W")


@pytest.mark.parametrize("number", slow(signal.SIGINT, signal.SIGTERM))
def test_a_signal_ends_it_keeps_what_there_is_and_sets_the_mode_again(
    model: Path, tmp_path: Path, number: signal.Signals
) -> None:
    fake = FakeNvpmodel(tmp_path / "bin")
    output = tmp_path / "m.json"
    command = [sys.executable, "-m", "edgeunet", "bench", "modes", str(model), "-o", str(output), *QUICK]
    # So that the second mode lasts until the signal comes.
    command[command.index("--cool-down-s") + 1] = "1000"
    environ = {**os.environ, "PYTHONPATH": f"{tmp_path}:{CHECKOUT}:{CHECKOUT / 'benchmarks'}"}
    (tmp_path / "sitecustomize.py").write_text(
        # It never knows that it is cool.
        "import edgeunet.board.sensors.sysfs as sysfs\nsysfs.sensors = lambda *_: []\n"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with started(command, cwd=CHECKOUT, env=environ, start_new_session=True, **pipes) as process:
        while fake.mode != "15W" and process.poll() is None:
            pass
        os.killpg(process.pid, number)
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "partial" in out
    assert fake.mode == "25W"
    value = json.loads(output.read_text())
    assert value["partial"]
    assert [m["name"] for m in value["modes"]] == ["25W"]
    assert {s["reason"] for s in value["skipped"]} == {"interrupted before it was measured"}


def test_nothing_is_kept_of_what_was_interrupted_at_once(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeNvpmodel(tmp_path / "bin")

    def interrupted(*_: Any) -> None:
        fake.set(3)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(measure_modes, "fresh", interrupted)
    with pytest.raises(KeyboardInterrupt):
        measure_modes.measure_modes(model, measure_modes.ModesOptions(), tmp_path / "m.json", force=False)
    assert not (tmp_path / "m.json").exists()
    assert fake.mode == "25W"


def test_the_mode_is_set_again_where_the_file_cannot_be_written(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeNvpmodel(tmp_path / "bin")
    instead_of_measuring(monkeypatch, fake)
    (tmp_path / "m.json").write_text("mine")
    with pytest.raises(OutputError):
        measure_modes.measure_modes(model, measure_modes.ModesOptions(cool_down_s=0), tmp_path / "m.json", force=False)
    assert fake.mode == "25W"
    assert fake.asked[-2:] == ["7W", "25W"]


def test_clocks_that_are_locked_are_warned_of(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    instead_of_measuring(monkeypatch, FakeNvpmodel(tmp_path / "bin"))
    monkeypatch.setattr(measure_modes, "fingerprint", lambda _: {"gpu_clocks": "1020 MHz, locked"})
    measure_modes.measure_modes(model, measure_modes.ModesOptions(cool_down_s=0), tmp_path / "m.json", force=False)
    assert "warning: gpu_clocks 1020 MHz, locked: a change of mode may undo" in capsys.readouterr().err


def test_bad_input_changes_no_mode(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeNvpmodel(tmp_path / "bin")
    output, no_model = tmp_path / "m.json", tmp_path / "no_model.onnx"
    no_model.write_bytes(b"nothing")
    for arguments, kind in (
        ((tmp_path / "none.onnx",), ModelFileError),
        ((no_model,), ModelFileError),
        ((model, "--data", tmp_path / "none.mp4"), SourceError),
        ((model, "--seconds", 0), UsageError),
        ((model, "--cool-down-s", -1), UsageError),
    ):
        error = _bench(*arguments, "-o", output).exception
        assert isinstance(error, kind)
        assert "\n" not in str(error)
    output.write_text("mine")
    assert isinstance(_bench(model, "-o", output).exception, OutputError)
    assert fake.asked == []
    monkeypatch.setenv("PATH", str(tmp_path))
    assert isinstance(_bench(model, "-o", tmp_path / "other.json").exception, MissingDependencyError)


@pytest.mark.slow
def test_a_model_that_runs_in_no_mode_is_an_error_with_the_reason(model: Path, tmp_path: Path) -> None:
    fake = FakeNvpmodel(tmp_path / "bin")
    error = _bench(model, "-o", tmp_path / "m.json", *QUICK, "--backend", "tensorrt").exception
    assert isinstance(error, BoardError)
    assert "no power mode could be measured: 25W: " in str(error)
    assert "tensorrt" in str(error)
    assert fake.mode == "25W"


def test_a_rest_ends_when_the_board_is_cool_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    monkeypatch.setattr("time.sleep", rests.append)
    degrees = iter([60.0, 55.0, 41.9])
    measure_modes._cool_down([Sensor("tj_c", lambda: next(degrees))], 40.0, 1000.0)
    assert rests == [measure_modes.LOOK_S] * 2

    def gone() -> float:
        raise OSError

    assert measure_modes._hottest_c([Sensor("gpu_c", gone), Sensor("cpu_c", lambda: 50.0)]) == 50.0
    assert measure_modes._hottest_c([Sensor("gpu_c", gone)]) is None


def test_the_table_shows_latency_energy_heat_and_throttling() -> None:
    hot = np.r_[np.full(39, 50.0), 71.0]
    throttled = toy_telemetry(watts=5.0, tj_c=hot, throttled=np.r_[np.zeros(39), 1.0])
    records = toy_record(np.full(400, 5.0), telemetry=throttled), toy_record(np.full(500, 8.0))
    modes = Modes(
        created="2026-01-02T03:04:05+00:00",
        command="edgeunet bench modes",
        found=PowerMode(1, "25W"),
        partial=True,
        measured=(
            MeasuredMode(PowerMode(1, "25W"), 50.0, records[0]),
            MeasuredMode(PowerMode(3, "7W"), None, records[1]),
        ),
        skipped=(SkippedMode(PowerMode(2, "MAXN"), "needs a reboot"),),
    )
    table = modes_table(modes)
    assert table.rows == (("25W", "5.00", "5.00*", "25.0", "71", "yes"), ("7W", "8.00", "8.00", "–", "–", "–"))
    assert "25W is restored; *" in table.note
    assert "partial" in table.note
    assert list(skipped_lines(modes)) == ["not measured: MAXN (number 2): needs a reboot"]
