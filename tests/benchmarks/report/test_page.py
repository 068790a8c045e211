"""The report: parsed as a browser would, it has every table and plot and needs nothing from outside."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.report.page import by_model, write_report
from benchmarks.report.scores import SCHEMA, Scores, load_scores
from benchmarks.report.tables import milliseconds, print_table, summary_table
from edgeunet.errors import OutputError, RecordError
from edgeunet.record import LatencyRecord
from tests.benchmarks.records import noisy, toy_record

RNG = np.random.default_rng(2)


class Page(HTMLParser):
    """Tables as lists of rows, headings, the number of plots, and every address."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.headings: list[str] = []
        self.plots = 0
        self.addresses: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._open.append(tag)
        self.addresses += [v or "" for k, v in attributes if k in ("src", "href", "xlink:href", "srcset")]
        self.plots += tag == "svg"
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "svg"} & set(self._open):
            self.text += data
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data.replace("\N{WORD JOINER}", "")
        elif self._open and self._open[-1] in ("h1", "h2", "h3"):
            self.headings.append(data)


def _scores(sha256: str = "ab" * 32, **changes: Any) -> Scores:
    fields: dict[str, Any] = {
        "model": "toy.onnx",
        "model_sha256": sha256,
        "precision": "fp32",
        "dataset": "road",
        "dataset_sha256": "cd" * 32,
        "split": "val",
        "frames": 2,
        "miou": 0.6123,
        "accuracy": 0.9,
        "iou": {"road": 0.91, "<b>car</b>": None},
    }
    return Scores(**(fields | changes))


def _page(path: Path, records: list[LatencyRecord], scores: list[Scores]) -> Page:
    write_report(path, records, by_model(scores), force=True)
    return Page(path.read_text(encoding="utf-8"))


def test_the_report_has_every_part_and_stands_alone(tmp_path: Path) -> None:
    one, other = toy_record(noisy(RNG, 12.0, 500)), toy_record(noisy(RNG, 6.0, 40), partial=True)
    path = tmp_path / "report.html"
    page = _page(path, [one, other], [_scores()])
    assert page.headings == [
        *("Latency report", "Summary", "Plots", "Stages", "toy (1)", "toy (2)", "Accuracy", "Machine", "What ran"),
    ]
    assert page.plots == 4
    assert all(a.startswith(("#", "data:")) for a in page.addresses)
    assert not re.search(r"url\((?!#)|@import|<script|<link", path.read_text())
    assert "worst" not in page.text.lower()
    assert "maximum observed" in page.text

    summary = dict(zip(page.tables[0][0], page.tables[0][1], strict=True))
    assert summary["model"] == "toy"
    assert summary["mIoU %"] == "61.2"
    assert summary["p99"] == milliseconds(one.summary().p99.value)
    assert summary["fps"] == f"{1000 / one.summary().p50.value:.1f}"
    assert page.tables[0][2][-3].endswith("*")  # 40 samples say nothing about p99

    stages = {row[0]: row[1:] for row in page.tables[1]}
    assert stages[""] == ["fit", "infer", "end to end"]
    low, high = one.summary().p99.interval or (0, 0)
    assert stages["p99"][2] == f"{milliseconds(one.summary().p99.value)} ({milliseconds(low)}–{milliseconds(high)})"
    assert stages["p99.9"][2].endswith("(insufficient)")
    assert stages["max"][2] == milliseconds(one.summary().max)

    assert ["<b>car</b>", "–"] in page.tables[3]  # escaped, and a class that does not occur
    assert ["cpu", "Some CPU"] in page.tables[4]
    assert any(row[0] == "SHA-256" and row[1] == "ab" * 32 for row in page.tables[5])
    assert any("40 (partial: interrupted)" in row for row in page.tables[5])


def test_without_scores_there_is_no_accuracy(tmp_path: Path) -> None:
    page = _page(tmp_path / "report.html", [toy_record(noisy(RNG, 12.0, 50))], [])
    assert "Accuracy" not in page.headings
    assert page.tables[0][1][4] == "–"


def test_many_samples_make_no_huge_file(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    _page(path, [toy_record(noisy(RNG, 12.0, 20_000))], [])
    assert path.stat().st_size < 200_000


def test_scores_of_another_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="belong to none of the records"):
        _page(tmp_path / "report.html", [toy_record(np.ones(9))], [_scores("00" * 32)])
    with pytest.raises(RecordError, match="two scores files"):
        by_model([_scores(), _scores()])
    assert not list(tmp_path.iterdir())


def test_an_existing_report_is_kept_without_force(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        write_report(path, [toy_record(np.ones(9))], {}, force=False)
    assert path.read_text() == "mine"


def test_scores_files_are_read_or_named(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    value = {"schema": SCHEMA, **vars(_scores())}
    path.write_text(json.dumps(value))
    assert load_scores(path) == _scores()
    for damage in ({"schema": "edgeunet.scores/9"}, {"miou": "good"}, {"miou": float("nan")}, {"iou": [1]}):
        path.write_text(json.dumps(value | damage))
        with pytest.raises(RecordError, match=r"edgeunet evaluate"):
            load_scores(path)
    del value["split"]
    path.write_text(json.dumps(value))
    with pytest.raises(RecordError, match="'split'"):
        load_scores(path)


def test_the_summary_fits_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    records = [toy_record(noisy(RNG, 112.0, 50)), toy_record(noisy(RNG, 0.8, 50))]
    print_table(summary_table(records, by_model([_scores()])))
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if "toy" in line or "model" in line]
    assert len(table) == 3
    assert all(len(line) <= 80 for line in table)
    assert "61.2" in table[1]
