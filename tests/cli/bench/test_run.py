"""`edgeunet bench run` as it is typed: every mode, commands, Ctrl-C, and bad input in one line."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from edgeunet.cli.bench import app
from edgeunet.errors import CommandError, EdgeUNetError, OutputError, UsageError
from edgeunet.latency.record import LatencyRecord
from edgeunet_bench.measure import cold
from edgeunet_bench.measure import measure_model as measuring
from tests.models import write_toy_model
from tests.processes import started

PRINTS = shlex.join([sys.executable, "-S", "-c", "print('2.5\\n1.5')"])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy_model(tmp_path_factory.mktemp("models") / "toy.onnx")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measuring, "MAX_WARMUP_S", 0.2)


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["run", *(str(a) for a in arguments), "-o", "record.json"])


def _fails(*arguments: object) -> EdgeUNetError:
    """The error that the command ends with; it is one line, and nothing is written."""
    error = _run(*arguments).exception
    assert isinstance(error, EdgeUNetError)
    assert "\n" not in str(error)
    assert not list(Path().iterdir())
    return error


def test_a_schedule_gives_misses_and_jitter(model: Path) -> None:
    result = _run(model, "--mode", "paced", "--fps", 100, "--max-frames", 30, "--deadline-ms", 0.001)
    assert result.exit_code == 0, result.output
    assert "deadline 0.001 ms: 30 of 30 missed (100.0 %)" in result.stdout
    assert "longest streak 30" in result.stdout
    assert "jitter in ms: p50" in result.stdout
    assert LatencyRecord.load("record.json").period_ms == 10.0


def test_a_soak_says_how_it_drifted(model: Path) -> None:
    result = _run(model, "--mode", "soak", "--minutes", 0.01)
    assert result.exit_code == 0, result.output
    assert "drift: median" in result.stdout
    record = LatencyRecord.load("record.json")
    assert (record.mode, record.starts_ms[-1] < 600) == ("soak", True)


def test_fresh_processes_say_what_was_warm(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold, "IDLE_S", 0.1)
    result = _run(model, "--mode", "cold", "--processes", 1)
    assert result.exit_code == 0, result.output
    assert "first mask" in result.stdout
    assert "first frame after 0.1 s idle in ms: p50" in result.stdout
    assert "page cache was warm" in result.stdout


def test_json_has_every_figure_and_no_raw_sample(model: Path) -> None:
    result = _run(model, "--mode", "paced", "--fps", 100, "--max-frames", 20, "--json")
    value = json.loads(result.stdout)
    assert value["deadlines"]["n"] == value["summary_ms"]["total"]["n"] == 20
    assert value["deadlines"]["deadline_ms"] == value["period_ms"] == 10.0
    assert value["jitter_ms"]["n"] == 19
    assert set(value["energy_mj"]) == {"gross", "idle", "net"}
    assert "samples_ms" not in value


def test_a_command_is_measured_by_what_it_prints_or_whole() -> None:
    result = _run("--command", PRINTS, "--max-frames", 3)
    assert result.exit_code == 0, result.output
    assert "4 samples on the command's own input" in result.stdout
    assert LatencyRecord.load("record.json").samples_ms["total"].tolist() == [2.5, 1.5, 2.5, 1.5]
    result = _run("--command", "true", "--whole", "--max-frames", 2, "--force")
    assert result.exit_code == 0, result.output
    assert LatencyRecord.load("record.json").summary().n == 2


def test_a_command_that_tells_nothing_leaves_nothing() -> None:
    error = _fails("--command", "true")
    assert isinstance(error, CommandError)
    assert "--whole" in str(error)
    assert "exit code 1" in str(_fails("--command", "false"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "got neither"),
        (["m.onnx", "--command", "true"], "got both"),
        (["m.onnx", "--seconds", 1, "--minutes", 1], "--seconds and --minutes"),
        (["m.onnx", "--seconds", 0], "--seconds is from"),
        (["m.onnx", "--minutes", "nan"], "--minutes is from"),
        (["m.onnx", "--mode", "paced"], "give --fps"),
        (["m.onnx", "--whole"], "--whole is for a command"),
        (["m.onnx", "--mode", "cold", "--seconds", 3], "--processes"),
        (["--command", "true", "--mode", "soak"], "leave out --mode"),
        (["--command", "true", "--threads", 2], "for models"),
        (["--command", " "], "the command is empty"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(arguments: list[object], message: str) -> None:
    error = _fails(*arguments)
    assert isinstance(error, UsageError)
    assert message in str(error)


def test_an_output_that_cannot_be_written_is_found_before_anything_is_measured(model: Path) -> None:
    Path("file").write_text("no folder")
    error = CliRunner().invoke(app, ["run", str(model), "-o", "file/record.json", "--minutes", "1000"]).exception
    assert isinstance(error, OutputError)


HANGS_THE_SECOND_TIME = """
import os, time
print(1.5)
if os.path.exists("first"):
    open("second", "w").close()
    time.sleep(600)
open("first", "w").close()
"""


IN_THE_BACKGROUND = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]  # as a shell does for `&` in a script


@pytest.mark.parametrize(("number", "before"), [(signal.SIGINT, []), (signal.SIGTERM, IN_THE_BACKGROUND)])
def test_ctrl_c_or_sigterm_in_a_long_measurement_keeps_what_there_is(number: signal.Signals, before: list[str]) -> None:
    os.mkfifo("second")
    python = shlex.join([sys.executable, "-S", "-c", HANGS_THE_SECOND_TIME])
    command = [
        sys.executable,
        "-m",
        "edgeunet",
        "bench",
        "run",
        "--command",
        python,
        "-o",
        "record.json",
        "--minutes",
        "60",
    ]
    with started([*before, *command], stderr=subprocess.PIPE) as process:
        with open("second"):  # waits for the command's second run
            process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "warning: interrupted" in stderr
    record = LatencyRecord.load("record.json")
    assert record.partial
    assert record.samples_ms["total"].tolist() == [1.5]


def test_help_says_what_is_taken_if_nothing_is_given() -> None:
    text = " ".join(CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).stdout.split())
    for default in ("5, paced 10, soak 1800 if not given", "physical cores if not given", "11 if not given"):
        assert default in text
