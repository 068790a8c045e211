"""All studies: each starts, and writes what it found with its command."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.studies.study import Goal, Study, app_of, judge, rounds_of
from edgeunet.errors import OutputError, UsageError

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "benchmarks" / "studies").rglob("*.py")
    if '__name__ == "__main__"' in path.read_text() and "run(main)" in path.read_text()
)
STUDY = Study(
    """`python -m benchmarks.studies.some.thing MODEL -o FILE`: what is measured.

What it does, and
how.
""",
    "edgeunet.some/1",
)


@pytest.mark.parametrize("module", MODULES)
def test_every_study_starts_with_the_command_of_its_docstring(module: str) -> None:
    study = importlib.import_module(module)
    result = CliRunner().invoke(app_of(study.main), ["--help"])
    assert result.exit_code == 0
    assert "--output" in result.stdout
    name = module.removesuffix(".__main__")
    assert f"python -m {name} " in str(study.__doc__)
    if hasattr(study, "STUDY"):
        assert study.STUDY.module == name
    if "--rounds" in result.stdout:
        files = ["x.pt"] * sum(argument in result.stdout for argument in ("CHECKPOINT", "DATA", "MODEL"))
        result = CliRunner().invoke(app_of(study.main), [*files, "-o", "x.json", "--rounds", "0"])
        assert result.exit_code == 2
        assert "--rounds" in result.stderr


def test_there_are_studies() -> None:
    assert {"benchmarks.studies.cpu.frame_to_mask", "benchmarks.studies.camera.cost"} < set(MODULES)
    assert len(MODULES) >= 19


def test_the_result_holds_what_was_measured_and_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["thing.py", "rtsp://me:secret@host/", "-o", "x.json"])
    found = STUDY.keep(tmp_path / "x.json", lambda: {"fps": 3.5}, force=False)
    assert found == {"fps": 3.5}
    value = json.loads((tmp_path / "x.json").read_text())
    command = value.pop("command")
    assert command.startswith("python -m benchmarks.studies.some.thing 'rtsp://")
    assert "secret" not in command
    assert value == {"schema": "edgeunet.some/1", "what": "What it does, and how.", "fps": 3.5}
    Study(STUDY.doc).keep(tmp_path / "plain.json", lambda: {"fps": 3.5}, force=False)
    assert sorted(json.loads((tmp_path / "plain.json").read_text())) == ["command", "fps"]
    assert STUDY.keep(None, lambda: {"fps": 1.0}, force=False) == {"fps": 1.0}


def test_an_output_that_exists_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("mine")

    def measure() -> dict[str, object]:
        raise AssertionError

    with pytest.raises(OutputError):
        STUDY.keep(tmp_path / "x.json", measure, force=False)
    assert (tmp_path / "x.json").read_text() == "mine"
    with pytest.raises(UsageError, match=r"-o .*x.json is also the input"):
        STUDY.keep(tmp_path / "x.json", measure, force=True, inputs=[tmp_path / "x.json"])
    assert (tmp_path / "x.json").read_text() == "mine"
    STUDY.keep(tmp_path / "x.json", dict, force=True)


def test_rounds_are_counted_from_zero() -> None:
    assert list(rounds_of(3)) == [0, 1, 2]


def test_a_goal_that_is_missed_is_named_and_ends_the_study_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    goals = {"fast": Goal(3.3), "cheap": Goal(1.2, most=True)}
    judge({"fast": 3.3, "cheap": 1.2}, goals)
    assert "falls short" not in capsys.readouterr().out
    with pytest.raises(typer.Exit) as ended:
        judge({"fast": 3.29, "cheap": 1.2}, goals)
    assert ended.value.exit_code == 1
    assert "falls short: fast is 3.29, the goal is at least 3.3\n" in capsys.readouterr().out
    with pytest.raises(typer.Exit):
        judge({"fast": 4.0, "cheap": 1.3}, goals)
