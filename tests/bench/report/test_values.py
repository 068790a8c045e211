"""The report for scripts: every figure at full precision, in JSON and Markdown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeunet.errors import UsageError
from edgeunet_bench.report.report_inputs import ReportInputs
from edgeunet_bench.report.write import Format, format_of, write_report
from tests.bench.records import toy_record
from tests.bench.report.makers import everything, inputs_of, paced_record, refused_comparison, toy_comparison


def _written(path: Path, inputs: ReportInputs, how: Format) -> str:
    write_report(path, inputs, how, force=False)
    return path.read_text(encoding="utf-8")


def test_json_has_every_figure_with_its_bounds_and_unit(tmp_path: Path) -> None:
    record, comparison = paced_record(), toy_comparison()
    value = json.loads(_written(tmp_path / "r.json", inputs_of(record, comparison), Format.JSON))
    figures = {(row["name"], row["quantity"], row["statistic"]): row for row in value["values"]}
    p99, found = record.summary().p99, figures["toy", "total", "p99"]
    assert (found["value"], (found["low"], found["high"])) == (p99.value, p99.interval)
    assert found["unit"] == "ms"
    assert figures["toy", "deadline", "missed"]["value"] == 3 / 600
    assert figures["toy", "energy of a frame", "gross"]["value"] == pytest.approx(300, abs=3)
    assert figures["new against old", "median", "B / A"]["low"] == comparison.judgement.low
    assert ("toy", "jitter", "p99.9") in figures


def test_json_has_verdicts_and_every_kind(tmp_path: Path) -> None:
    value = json.loads(_written(tmp_path / "r.json", everything(), Format.JSON), parse_constant=pytest.fail)
    assert value["schema"] == "edgeunet.report/1"
    assert [c["verdict"] for c in value["comparisons"]] == ["PASS", "REGRESSED", "REFUSED"]
    assert {v["kind"] for v in value["values"]} == {"record", "comparison", "scores", "sweep", "qualification"}
    assert {r["subject"]["model_sha256"] for r in value["records"]} == {"ab" * 32}


def test_a_figure_without_bounds_has_none(tmp_path: Path) -> None:
    inputs = inputs_of(toy_record(np.ones(9)), refused_comparison())
    value = json.loads(_written(tmp_path / "r.json", inputs, Format.JSON))
    (p99,) = (v for v in value["values"] if (v["quantity"], v["statistic"]) == ("total", "p99"))
    assert (p99["value"], p99["low"], p99["high"]) == (1.0, None, None)
    assert not [v for v in value["values"] if v["kind"] == "comparison"]


def test_markdown_has_the_tables_and_nothing_that_is_taken_for_markup(tmp_path: Path) -> None:
    text = _written(tmp_path / "r.md", everything(), Format.MD)
    assert "\n## Verdicts\n" in text
    assert "\n## Distribution\n" not in text  # plots alone
    assert "| slow against old | REGRESSED |" in text
    assert "\\<b>car\\<" not in text.replace("\\<b>", "")
    assert "<svg" not in text
    assert "<b>" not in text.replace("\\<b>", "")
    for line in text.splitlines():
        if line.startswith("| ---"):
            header = text.splitlines()[text.splitlines().index(line) - 1]
            assert header.replace("\\|", "").count("|") == line.count("|")


def test_the_suffix_says_the_format_and_the_option_overrides_it() -> None:
    assert format_of(Path("a.HTML"), None) is Format.HTML
    assert format_of(Path("a.html"), "md") is Format.MD
    for path, name in (("report", None), ("a.pdf", None), ("a.md", "pdf"), ("a.csv", None)):
        with pytest.raises(UsageError, match="html, md, json"):
            format_of(Path(path), name)
