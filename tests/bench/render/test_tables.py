"""Units, digits and names: one record is told from another, and what is shown fits."""

from __future__ import annotations

import numpy as np
import pytest

from edgeunet.latency.record import LatencyRecord, RunMetadata
from edgeunet.utils.formatting import count
from edgeunet_bench.render.blocks import in_parts
from edgeunet_bench.render.names import LENGTH, record_names
from edgeunet_bench.render.tables import TextTable, class_table, facts_table, print_table, share, summary_table, when
from tests.bench.records import noisy, toy_record
from tests.bench.report.makers import toy_scores

RNG = np.random.default_rng(2)


def _named(model: str, backend: str = "onnxruntime 1.0", **changes: object) -> LatencyRecord:
    return toy_record(np.ones(9), subject=RunMetadata(model, "", "", (0, 0), 0, backend, ""), **changes)


def test_names_hold_what_tells_records_apart_and_no_more() -> None:
    records = [
        _named("a.onnx"),
        _named("b.onnx"),
        _named("b.engine", "tensorrt 10.3"),
        _named("c.onnx"),
        _named("c.onnx", mode="paced"),
        _named("d.onnx"),
        _named("d.onnx", created="2026-03-04T00:00:00+00:00"),
        _named("e.onnx"),
        _named("e.onnx"),
        _named("python a_script.py --with many --options that --make a --line long"),
    ]
    *names, command = record_names(records)
    assert names == [
        *("a", "b, onnxruntime", "b, tensorrt", "c, single", "c, paced", "d, 2026-01-02", "d, 2026-03-04"),
        *("e (1)", "e (2)"),
    ]
    assert len(command) == LENGTH
    assert command.endswith("…")


def test_what_a_command_does_not_have_is_a_dash() -> None:
    (row,) = summary_table([_named("true", mode="paced", period_ms=10.0)], {}).rows
    assert row[1:5] == ("–", "–", "–", "–")
    assert row[-1] == "–"  # a schedule sets the rate, not the latency


def test_shares_keep_two_digits_that_count() -> None:
    assert [share(v) for v in (0, 0.5, 0.0123, 0.00033, 0.0000012, 1)] == [
        *("0.0 %", "50.0 %", "1.2 %", "0.033 %", "0.00012 %", "100.0 %"),
    ]
    assert count(1234567) == "1\u00a0234\u00a0567"
    assert when("2026-01-02T03:04:05+02:00") == "2026-01-02 01:04 UTC"


def test_machines_that_are_the_same_share_a_column() -> None:
    one, other = {"cpu": "x", "power_mode": "15W"}, {"cpu": "y"}
    assert facts_table({"a": one, "b": other, "c": dict(one)}) == TextTable(
        ("", "a; c", "b"), (("cpu", "x", "y"), ("power mode", "15W", "–")), 3
    )
    assert facts_table({"a": one, "b": one, "c": one}).header == ("", "all")


def test_a_wide_table_is_shown_in_parts_that_all_have_its_first_column() -> None:
    table = TextTable(("", *"abcdef"), (("row", *"123456"),), 1)
    assert [part.table.header for part in in_parts(table, kept=1)] == [("", *"abcd"), ("", *"ef")]
    assert [part.table.rows for part in in_parts(table, kept=1)] == [(("row", *"1234"),), (("row", *"56"),)]


def test_the_summary_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    records = [_named("x.onnx"), toy_record(noisy(RNG, 112.0, 50)), toy_record(noisy(RNG, 0.8, 50), mode="paced")]
    print_table(summary_table(records, {"ab" * 32: toy_scores()}))
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if "61.2" in line or "mIoU" in line]
    assert len(table) == 3
    assert all(len(line) <= 80 for line in table)


def test_boundary_f1_has_a_row_where_a_file_has_it() -> None:
    assert "boundary F1, mean" not in [row[0] for row in class_table([toy_scores()]).rows]
    rows = class_table([toy_scores(mean_boundary_f1=0.4), toy_scores()]).rows
    assert ("boundary F1, mean", "40.0", "–") in rows
