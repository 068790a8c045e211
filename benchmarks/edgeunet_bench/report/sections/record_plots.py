"""Plots of latency records: how latency is distributed, where it goes, and how it moves over months."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

import numpy as np

from edgeunet.latency.quantiles import Samples
from edgeunet.latency.record import TOTAL, LatencyRecord
from edgeunet_bench.render.plots import INK, WIDTH, cycle, figure, label, svg

POINTS = 400  # of a distribution that are drawn; more would look the same
NAME = 16  # characters of a record's name on one line of an axis


def quantile_curve(records: Mapping[str, LatencyRecord]) -> str:
    """Latency against the quantile, on an axis that stretches the tail. The last point is the maximum observed."""
    fig, axes = figure("share of frames that are faster", "latency, ms")
    for (name, record), color in zip(records.items(), cycle(len(records)), strict=True):
        total = np.sort(record.samples_ms[TOTAL])
        ranks = _tail_ranks(len(total))
        axes.plot(len(total) / (len(total) - ranks - 0.5), total[ranks], color=color, label=label(name), linewidth=1.6)
    axes.set_xscale("log")
    ticks = {2: "50 %", 10: "90 %", 100: "99 %", 1000: "99.9 %", 10000: "99.99 %", 100000: "99.999 %"}
    largest = 2 * max(len(r.starts_ms) for r in records.values())
    axes.set_xticks([t for t in ticks if t <= largest], [ticks[t] for t in ticks if t <= largest])
    axes.minorticks_off()
    return svg(fig, axes)


def ecdf(records: Mapping[str, LatencyRecord]) -> str:
    """Share of frames at or below a latency."""
    return ecdf_of({name: record.samples_ms[TOTAL] for name, record in records.items()})


def ecdf_of(samples_ms: Mapping[str, Samples]) -> str:
    """Share of the samples, (n,) in ms for each name, at or below a latency."""
    fig, axes = figure("latency, ms", "share at or below")
    for (name, samples), color in zip(samples_ms.items(), cycle(len(samples_ms)), strict=True):
        total = np.sort(samples)
        ranks = _spread_ranks(len(total))
        shares = (ranks + 1) / len(total)
        axes.step([total[0], *total[ranks]], [0, *shares], where="post", color=color, label=label(name), linewidth=1.6)
    axes.margins(x=0.04)
    return svg(fig, axes)


def stage_stack(records: Mapping[str, LatencyRecord]) -> str:
    """Mean time of each stage; means add up where quantiles do not."""
    fig, axes = figure("mean time of a frame, ms", "")
    fig.set_size_inches(WIDTH, 1.4 + 0.3 * len(records))
    loaded = list(records.values())
    stages = list(dict.fromkeys(stage for record in loaded for stage in record.stages))
    rows = np.arange(len(records))
    left = np.zeros(len(records))
    for stage, color in zip(stages, cycle(len(stages)), strict=True):
        means = np.array([record.samples_ms[stage].mean() if stage in record.stages else 0.0 for record in loaded])
        axes.barh(rows, means, left=left, height=0.55, color=color, label=label(stage))
        left += means
    rest = np.maximum(0, [record.samples_ms[TOTAL].mean() for record in loaded] - left)
    axes.barh(rows, rest, left=left, height=0.55, color=INK, alpha=0.25, label="between stages")
    axes.set_yticks(rows, ["\n".join(textwrap.wrap(label(name), NAME)) for name in records])
    axes.set_ylim(len(records) - 0.4, -0.6)
    return svg(fig, axes)


def trend(records: Sequence[LatencyRecord]) -> str:
    """Median and p99 of records of one model, by the time at which they were made; bars are the intervals."""
    fig, axes = figure("", "latency, ms")
    dates = [datetime.fromisoformat(r.created).astimezone(timezone.utc) for r in records]
    for color, quantile in zip(cycle(2), ("p50", "p99"), strict=True):
        points = [getattr(record.summary(), quantile) for record in records]
        values = np.array([point.value for point in points])
        bounds = np.array([point.interval or (point.value, point.value) for point in points]).T
        errors = [values - bounds[0], bounds[1] - values]
        axes.errorbar(dates, values, errors, color=color, label=quantile, marker="o", markersize=4, capsize=3)
    axes.set_ylim(bottom=0)
    span = dates[-1] - dates[0]
    ticks = [dates[0] + span * i / 3 for i in range(4)]
    axes.set_xticks(ticks, [tick.strftime("%Y-%m-%d" if span.days > 3 else "%m-%d %H:%M") for tick in ticks])
    axes.tick_params(axis="x", rotation=15)
    return svg(fig, axes)


def _tail_ranks(count: int) -> Samples:
    """Ranks from 0, at most POINTS of them, closer together the nearer they are to the last, which is among them."""
    slower = np.geomspace(count, 1, POINTS)
    return np.unique(np.round(count - slower).astype(np.intp))


def _spread_ranks(count: int) -> Samples:
    """Ranks from 0, evenly spread and at most POINTS, with the slowest ones all among them."""
    spread = np.round(np.linspace(0, count - 1, POINTS - POINTS // 8)).astype(np.intp)
    return np.unique(np.concatenate([spread, np.arange(max(0, count - POINTS // 8), count)]))
