"""`edgeunet bench report` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from edgeunet.cli.bench import app
from edgeunet.errors import OutputError, UsageError
from tests.bench.records import noisy, toy_record
from tests.bench.report.makers import refused_comparison, toy_comparison, toy_qualification, toy_sweep


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file of each kind."""
    monkeypatch.chdir(tmp_path)
    toy_record(noisy(np.random.default_rng(1), 5.0, 200)).save("record.json", force=False)
    toy_comparison().save("comparison.json", force=False)
    toy_qualification().save("qualification.json", force=False)
    toy_sweep().save("sweep.json", force=False)


FILES = ("record.json", "comparison.json", "qualification.json", "sweep.json")


def _report(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", *arguments])


@pytest.mark.parametrize(
    ("output", "options", "begins"),
    [
        ("out/r.html", (), "<!DOCTYPE html>"),
        ("r.md", (), "# Latency report"),
        ("r.json", (), "{"),
        ("r.txt", ("--format", "md"), "# Latency report"),
    ],
)
def test_every_kind_of_file_goes_into_every_format(output: str, options: tuple[str, ...], begins: str) -> None:
    result = _report(*FILES, "-o", output, *options)
    assert result.exit_code == 0, result.output
    assert "toy" in result.output
    assert f"report written to {output}" in result.output
    text = Path(output).read_text(encoding="utf-8")
    assert text.startswith(begins)
    for words in ("new against old", "a loop", "int8"):
        assert words in text


def test_without_a_record_there_is_no_summary_to_print() -> None:
    result = _report("qualification.json", "-o", "r.md")
    assert result.exit_code == 0, result.output
    assert result.output.strip() == "report written to r.md"


def test_the_verdict_of_a_comparison_is_printed() -> None:
    refused_comparison().save("refused.json", force=False)
    result = _report("record.json", "refused.json", "-o", "r.md")
    assert "b against a: REFUSED: measured under different conditions" in result.output


def test_cameras_have_a_row_each() -> None:
    times = np.concatenate([np.full(20, 4.0), np.full(20, 9.0)])
    sources = {"sources": ("front", "back"), "source_of": (0,) * 20 + (1,) * 20}
    toy_record(times, mode="camera", **sources).save("cameras.json", force=False)
    result = _report("cameras.json", "-o", "r.html")
    rows = [line.split() for line in result.output.splitlines() if "toy" in line]
    assert [(row[1], row[6]) for row in rows] == [("front", "4.00"), ("back", "9.00")]


def test_what_cannot_be_written_is_said_before_anything_is_read() -> None:
    Path("r.html").write_text("mine")
    for arguments, error in (
        (("missing.json", "-o", "r.html"), OutputError),
        (("missing.json", "-o", "r.pdf"), UsageError),
        (("missing.json", "-o", "r.csv"), UsageError),
        (("missing.json", "-o", ".", "--format", "json", "--force"), OutputError),
        (("record.json", "-o", "record.json", "--force"), UsageError),
        (("record.json", "-o", "comparison.json", "--scores", "comparison.json", "--force"), UsageError),
        (("missing.json", "-o", "x", "--format", "pdf"), UsageError),
    ):
        assert isinstance(_report(*arguments).exception, error)
    assert Path("r.html").read_text() == "mine"
    assert _report("record.json", "-o", "r.html", "--force").exit_code == 0


def test_a_damaged_file_leaves_nothing_behind() -> None:
    value = json.loads(Path("comparison.json").read_text())
    value["pairs"][0]["rounds"][0]["a_ms"][0] = -1
    Path("bad.json").write_text(json.dumps(value))
    result = _report("record.json", "bad.json", "-o", "r.html")
    assert "bad.json" in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not Path("r.html").exists()
