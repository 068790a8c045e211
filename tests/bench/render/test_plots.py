"""Plots: what is drawn of a long series, and of what a record holds."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from edgeunet_bench.render.names import readable
from edgeunet_bench.render.plots import BINS, INK, banded, figure, svg
from edgeunet_bench.report.sections import guard_sections, record_plots
from edgeunet_bench.report.sections.machine_views import by_unit, over_time
from tests.bench.records import noisy, toy_record, toy_telemetry
from tests.bench.report.makers import paced_record, toy_comparison
from tests.marks import slow

RNG = np.random.default_rng(4)


def _texts(plot: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", plot)


@pytest.mark.parametrize("count", [1, 2, BINS, 50_000])
def test_thinning_keeps_every_extreme(count: int) -> None:
    times = np.sort(RNG.uniform(0, 1000, count))
    values = RNG.normal(0, 1, count)
    band = banded(times, values)
    assert len(band.times) <= BINS
    assert (band.low.min(), band.high.max()) == (values.min(), values.max())
    assert (np.diff(band.times) > 0).all()
    assert (band.low <= band.middle).all()
    assert (band.middle <= band.high).all()


def test_a_series_needs_neither_order_nor_every_answer() -> None:
    band = banded(np.array([3.0, 1.0, 2.0, 0.0]), np.array([30.0, np.nan, 20.0, 0.0]))
    assert band.middle.tolist() == [0.0, 20.0, 30.0]
    assert len(banded(np.zeros(3), np.full(3, np.nan)).times) == 0


def test_the_labels_of_the_quantile_curve_do_not_touch() -> None:
    plot = record_plots.quantile_curve({"a": toy_record(noisy(RNG, 5.0, 60_000))})
    ticks = [text for text in _texts(plot) if text.endswith("%")]
    assert ticks == ["50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"]
    places = [float(x) for x in re.findall(r'x="([\d.]+)"[^>]*>[\d.]+ %<', plot)]
    widths = [len(tick) * 6 for tick in ticks]  # points, of 9 point figures
    for i in range(len(places) - 1):
        assert places[i + 1] - places[i] > (widths[i] + widths[i + 1]) / 2


@pytest.mark.parametrize("count", [1, 2, 9, 30_000])
def test_a_distribution_of_any_size_is_drawn_small(count: int) -> None:
    records = {"a": toy_record(noisy(RNG, 5.0, count))}
    for plot in (record_plots.quantile_curve(records), record_plots.ecdf(records)):
        assert plot.startswith("<svg")
        assert len(plot) < 40_000


def test_each_unit_of_telemetry_has_a_panel_and_numbered_sensors_share_a_name() -> None:
    cores: dict[str, Any] = {f"cpu{i}_mhz": np.full(40, 1000.0 + i) for i in range(4)}
    silent = np.full(40, np.nan)
    telemetry = toy_telemetry(watts=9.0, gpu_c=np.full(40, 50.0), emc_mhz=silent, **cores)
    groups = by_unit(telemetry)
    assert {unit: list(sensors) for unit, sensors in groups.items()} == {
        "mhz": ["cpu", "cpu (4)"],
        "c": ["gpu"],
        "mw": ["VDD_IN"],
    }
    texts = _texts(over_time(toy_record(np.ones(9), telemetry=telemetry)))
    for words in ("clock, MHz", "°C", "power, W", "cpu (4)", "VDD_IN"):
        assert words in texts


def test_a_deadline_and_throttling_are_drawn() -> None:
    texts = _texts(over_time(paced_record()))
    assert "deadline" in texts
    assert "throttled" in texts
    assert "deadline" not in _texts(over_time(toy_record(np.ones(9))))


def test_each_round_shows_or_each_pair_where_they_are_many() -> None:
    comparison = toy_comparison()
    assert "round" in _texts(guard_sections.ratios(comparison))
    many = [pair.rounds * 20 for pair in comparison.pairs]
    pairs = tuple(type(pair)(rounds) for pair, rounds in zip(comparison.pairs, many, strict=True))
    object.__setattr__(comparison, "pairs", pairs)
    texts = _texts(guard_sections.ratios(comparison))
    assert "middle 90 % of the rounds" in texts
    assert "limit" in texts


def test_the_trend_is_by_date() -> None:
    days = [toy_record(noisy(RNG, 5.0, 50), created=f"2026-01-0{day}T00:00:00+00:00") for day in (1, 5)]
    texts = _texts(record_plots.trend(days))
    assert {"p50", "p99"} <= set(texts)
    assert any("2026" in text or "01-0" in text for text in texts)


def test_a_plot_takes_its_colour_from_the_page() -> None:
    fig, axes = figure("x", "y")
    axes.plot([0, 1], [0, 1], label="line")
    plot = svg(fig, axes)
    assert INK not in plot
    assert "currentColor" in plot
    assert "font-family" not in plot
    assert 'id="axes' not in plot


@pytest.mark.parametrize(
    "name",
    [
        *("model_${a}_${b}", "<b>&"),
        *slow("$", "_hidden", "_", "a\x1b[31mb", "\ud800", "模型 🚀", "x" * 900, "a\nb"),
    ],
)
def test_a_name_is_drawn_as_it_is(name: str) -> None:
    record = toy_record(np.array([0.0, 3.0, 4.0]), samples_ms={"total": np.array([0.0, 3.0, 4.0]), name: np.zeros(3)})
    known = toy_telemetry()
    sensors = replace(known, values={f"{name}_c": np.ones(40), **known.values})
    plots = [
        record_plots.quantile_curve({name: record, "other": record}),
        record_plots.ecdf({name: record}),
        record_plots.stage_stack({name: record}),
        over_time(toy_record(np.ones(3), telemetry=sensors)),
    ]
    for plot in plots:
        ElementTree.fromstring(plot.replace("xlink:href", "href"))  # noqa: S314 - our own
        shown = unescape(" ".join(_texts(plot)))
        assert readable(name.strip("_") or "_")[:5].split()[0] in shown
