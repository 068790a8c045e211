from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeunet.errors import MismatchError, UsageError
from edgeunet_bench.fit.shortlist import DeviceBudget, choose, power_mw
from edgeunet_bench.sweep.sweep_file import Row, SkippedRun, Sweep
from tests.bench.sweep.rows import toy_row, toy_sweep

OPERATIONS = {"nano": 1.0, "small": 4.0, "base": 16.0}


def operations(network: str, size: tuple[int, int]) -> float:
    return OPERATIONS[network] * size[0] * size[1]


def row(network: str, p50_ms: float, precision: str = "fp32", **fields: Any) -> Row:
    return toy_row(f"{network}-{precision}.onnx", p50_ms, precision=precision, network=network, **fields)


def names(rows: tuple[Row, ...], budget: DeviceBudget, **fields: Any) -> list[str]:
    return [name for name, _ in choose(toy_sweep(*rows, **fields), budget, operations).rows]


def test_the_most_operations_come_first_and_then_the_widest_numbers() -> None:
    rows = (row("nano", 2.0), row("small", 6.0, "int8"), row("small", 9.0, "fp16"), row("base", 12.0, "int8"))
    assert names(rows, DeviceBudget(10)) == ["small-fp16", "small-int8", "nano-fp32"]
    wide = toy_row("nano-large.onnx", 9.0, network="nano", input_size=(96, 144))  # 9 times the pixels
    assert names((*rows, wide), DeviceBudget(10))[0] == "nano-large"


def test_slow_frames_count_and_not_the_median() -> None:
    slow = row("small", 5.0, slow_ms=12.0)
    choice = choose(toy_sweep(slow, row("nano", 6.0)), DeviceBudget(10), operations)
    assert [name for name, _ in choice.rows] == ["nano-fp32"]
    assert [(r.name, r.reason) for r in choice.rejected] == [("small-fp32", "p99 12.00 ms is over 10 ms")]


def test_a_file_that_ran_in_several_ways_stands_once_as_its_fastest() -> None:
    rows = (row("nano", 6.0), row("nano", 4.0, backend="openvino"))
    choice = choose(toy_sweep(*rows), DeviceBudget(10), operations)
    assert [r.backend for _, r in choice.rows] == ["openvino"]
    assert [r.reason for r in choice.rejected] == ["the same file is faster as nano-fp32, openvino"]


def test_power_is_energy_over_time() -> None:
    hungry, modest = row("small", 5.0, energy_mj=50.0), row("nano", 5.0, energy_mj=20.0)
    assert power_mw(hungry) == pytest.approx(10_000)
    unknown = row("base", 5.0)
    choice = choose(toy_sweep(hungry, modest, unknown), DeviceBudget(10, 8000), operations)
    assert [name for name, _ in choice.rows] == ["nano-fp32"]
    reasons = {r.name: r.reason for r in choice.rejected}
    assert reasons == {"small-fp32": "10000 mW are over 8000 mW", "base-fp32": "its power was not measured"}


def test_what_could_not_run_or_be_trained_is_told() -> None:
    skipped = (SkippedRun("base.engine", None, "", None, "out of memory"),)
    choice = choose(
        toy_sweep(row("nano", 1.0), toy_row("mine.onnx", 1.0), skipped=skipped), DeviceBudget(10), operations
    )
    reasons = {r.name: r.reason for r in choice.rejected}
    assert reasons["base.engine"] == "did not run on the device: out of memory"
    assert reasons["mine"] == "names no network that can be trained"


@pytest.mark.parametrize(
    ("rows", "budget", "words"),
    [
        ((row("nano", 20.0), row("small", 40.0)), DeviceBudget(10), "the closest is nano-fp32 with p99 20.00 ms"),
        ((row("nano", 4.0, energy_mj=40.0),), DeviceBudget(10, 8000), "10 ms and 8000 mW .* p99 4.00 ms, 10000 mW"),
        ((toy_row("mine.onnx", 1.0),), DeviceBudget(10), "--candidates FOLDER"),
        ((row("nano", 1.0),), DeviceBudget(10, 8000), "no energy.* leave out --budget-mw"),
    ],
)
def test_where_nothing_fits_a_line_says_what_is_nearest(
    rows: tuple[Row, ...], budget: DeviceBudget, words: str
) -> None:
    with pytest.raises(MismatchError, match=words) as error:
        choose(toy_sweep(*rows), budget, operations)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("ms", "mw"), [(0, None), (-1, None), (np.nan, None), (10, 0), (10, np.inf)])
def test_senseless_budgets_are_refused(ms: float, mw: float | None) -> None:
    with pytest.raises(UsageError, match=r"--budget-m[sw] is from"):
        DeviceBudget(ms, mw)


def test_a_sweep_without_networks_is_still_read(tmp_path: Any) -> None:
    path = tmp_path / "sweep.json"
    toy_sweep(row("nano", 1.0)).save(path, force=False)
    assert Sweep.load(path).rows[0].network == "nano"
    path.write_text(path.read_text().replace('"network": "nano"', '"other": ""'))
    assert Sweep.load(path).rows[0].network == ""
