"""The report: parsed as a browser would, it has every table and plot and needs nothing from outside."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from edgeunet.errors import OutputError
from edgeunet_bench.render.tables import milliseconds
from edgeunet_bench.report.report_inputs import ReportInputs
from edgeunet_bench.report.write import Format, write_report
from tests.bench.records import noisy, toy_record
from tests.bench.report.makers import everything, inputs_of, paced_record, toy_comparison, toy_qualification, toy_scores
from tests.parsed import Page

RNG = np.random.default_rng(2)


def _page(path: Path, inputs: ReportInputs) -> Page:
    write_report(path, inputs, Format.HTML, force=True)
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, str]:
    """The page with every section, and its text."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    return _page(path, everything()), path.read_text(encoding="utf-8")


def test_the_report_has_every_section_in_order(whole: tuple[Page, str]) -> None:
    page, _ = whole
    sections = [
        *("Verdicts", "What the verdicts rest on", "Summary", "Distribution", "Deadlines", "Frame age and jitter"),
        *("Stages", "Also measured", "Over time", "Drift", "Energy of a frame", "Sensors", "Trend", "Accuracy"),
        *("Models to choose from", "How the guard was qualified", "Caveats", "What ran"),
        "Where it ran",
    ]
    assert [h for h in page.headings if h in sections] == sections


def test_the_report_has_every_plot(whole: tuple[Page, str]) -> None:
    page, _ = whole
    assert page.plots == len(page.titles)
    for title in (
        *("Quantiles, single", "Share of frames, paced", "Where the time goes, soak", "new against old: calls"),
        *("new against old: rounds", "toy, soak: thermal soak", "toy, paced", "toy, fp32, single"),
        "Accuracy against latency",
    ):
        assert title in page.titles, title


def test_the_report_stands_alone_and_chooses_its_words(whole: tuple[Page, str]) -> None:
    page, text = whole
    assert all(a.startswith(("#", "data:")) for a in page.addresses)
    assert not re.search(r"url\((?!#)|@import|<script|<link", text)
    for word in ("worst", "compliant", "guarantee"):
        assert word not in page.text.lower()
    assert "maximum observed" in page.text
    assert "supports timing verification" in page.text


def test_a_record_alone_has_its_figures_and_nothing_else(tmp_path: Path) -> None:
    record = toy_record(noisy(RNG, 12.0, 500))
    page = _page(tmp_path / "report.html", inputs_of(record, toy_scores()))
    assert page.headings == [
        *("Latency report", "Summary", "Distribution", "Stages", "toy", "Over time", "Accuracy", "What ran"),
        "Where it ran",
    ]
    summary = dict(zip(*page.table("record"), strict=True))
    assert summary["record"] == "toy"
    assert summary["mIoU %"] == "61.2"
    assert summary["p99"] == milliseconds(record.summary().p99.value)
    assert summary["fps"] == f"{1000 / record.summary().p50.value:.1f}"

    header, *rows = next(table for table in page.tables if table[1][0] == "fit")
    stages = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert list(stages) == ["fit", "infer", "end to end"]
    low, high = record.summary().p99.interval or (0, 0)
    assert stages["end to end"]["p99"] == (
        f"{milliseconds(record.summary().p99.value)} ({milliseconds(low)}–{milliseconds(high)})"
    )
    assert stages["end to end"]["p99.9"].endswith("(insufficient)")
    assert stages["end to end"]["max"] == milliseconds(record.summary().max)

    assert any(["<b>car</b>", "–"] in table for table in page.tables)  # escaped, and a class that does not occur
    assert any(["cpu", "Some CPU"] in table for table in page.tables)
    assert any(["SHA-256", "ab" * 32] in table for table in page.tables)


def test_a_verdict_stands_with_its_limit_bounds_and_what_it_could_not_see(tmp_path: Path) -> None:
    fine, slow, disturbed = toy_comparison(), toy_comparison(1.1, "slow.onnx"), toy_comparison(foreign=0.5)
    page = _page(tmp_path / "report.html", inputs_of(fine, slow, disturbed))
    verdicts = {row[0]: row[1] for row in page.table("comparison")}
    assert verdicts["new against old (1)"] == "PASS"
    assert verdicts["slow against old"] == "REGRESSED"
    assert verdicts["new against old (2)"] == "INVALID"  # shown like the others
    assert [row[0] for row in page.table("run")[1:]] == ["new against old (2)"]
    header, *rows = page.table("gate")
    assert header == ["gate", "limit", "observed", "99 % bounds, or p", "n", "smallest detectable"]
    gates = {row[0]: row[1:] for row in rows}
    assert gates["median"][0] == "+3.0 %"
    assert gates["median"][1] == f"{(fine.judgement.ratio - 1) * 100:+.1f} %".replace("-", "−")
    assert gates["median"][4] == f"{(fine.judgement.detectable - 1) * 100:+.1f} %"
    assert gates["tail"][2].startswith("p = ")
    assert "Summary" not in page.headings


def test_misses_have_a_bound_and_a_streak_and_frames_an_energy(tmp_path: Path) -> None:
    page = _page(tmp_path / "report.html", inputs_of(paced_record()))
    deadline = dict(zip(*next(t for t in page.tables if "longest streak" in t[0]), strict=True))
    assert (deadline["misses"], deadline["longest streak"]) == ("3", "3")
    assert deadline["share"] == "0.50 %"
    assert deadline["at most, 95 %"] == "1.3 %"  # scipy's binomtest(3, 600, alternative="less"): 0.01287
    age = dict(zip(*next(t for t in page.tables if "dropped" in t[0])[:2], strict=True))
    assert (age["period"], age["dropped"]) == ("33.33", "4")
    energy = dict(zip(*next(t for t in page.tables if "rails" in t[0]), strict=True))
    assert float(energy["gross, mJ"]) == pytest.approx(300, abs=3)  # 9 W for a thirtieth of a second
    assert float(energy["net, mJ"]) == pytest.approx(300 * 5 / 9, abs=3)
    assert any("throttled" in cell for table in page.tables for row in table for cell in row)


def test_the_guards_qualification_says_what_was_missed(tmp_path: Path) -> None:
    page = _page(tmp_path / "report.html", inputs_of(toy_qualification()))
    conditions, rules = page.tables[:2]
    rows = {row[0]: row[1:] for row in conditions[1:]}
    assert {name: rows[name][3] for name in rows} == {"A/A": "reached", "+5 %": "missed", "disturbance": "open"}
    assert rows["A/A"][1:3] == ["20 of 20", "19 of 20"]
    assert "+5 %: 3 PASS" in page.text
    assert rules[0][1:] == ["A/A", "+5 %"]
    assert [row[0] for row in rules[1:]] == ["this guard", "mean:5 %", "U-test"]


def test_a_long_soak_makes_no_large_file_and_keeps_its_maximum(tmp_path: Path) -> None:
    soak = paced_record(54_000, mode="soak")
    soak.samples_ms["total"][31_234] = 987.6
    path = tmp_path / "report.html"
    page = _page(path, inputs_of(soak))
    assert path.stat().st_size < 500_000
    assert "987.6" in page.text


def test_many_records_of_one_model_fit_and_make_a_trend(tmp_path: Path) -> None:
    days = [f"2026-01-{day:02}T00:00:00+00:00" for day in range(1, 21)]
    page = _page(tmp_path / "report.html", inputs_of(*(toy_record(noisy(RNG, 9, 50), created=day) for day in days)))
    assert "Trend" in page.headings
    assert "newest 6 records" in page.text
    assert len(page.table("record")) == 21
    assert max(len(table[0]) for table in page.tables) <= 10


def test_an_existing_report_is_kept_without_force(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("mine")
    with pytest.raises(OutputError, match="--force"):
        write_report(path, inputs_of(toy_record(np.ones(9))), Format.HTML, force=False)
    assert path.read_text() == "mine"
