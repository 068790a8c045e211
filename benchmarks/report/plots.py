"""Plots as inline SVG. They take text colour and background from the page, so that both colour schemes work."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeunet.parts import missing
from edgeunet.record import TOTAL, LatencyRecord

INK = "#123456"  # stands for the page's text colour until the SVG is done
PALETTE = ("#3b82d6", "#e07b2a", "#2a9d74", "#c4508f", "#8a6fd1", "#9a8a1f")  # told apart on white and on black
SIZE = (4.4, 2.9)  # inches: text stays readable at 400 px
MAX_POINTS = 2000  # of one series that are drawn as vectors


def quantile_curve(records: Sequence[LatencyRecord], names: Sequence[str]) -> str:
    """Latency against the quantile, on an axis that stretches the tail."""
    fig, axes = figure("share of frames that are faster", "latency, ms")
    for record, name, color in zip(records, names, _colors(records), strict=True):
        total = np.sort(record.samples_ms[TOTAL])
        slower = 1 - (np.arange(1, len(total) + 1) - 0.5) / len(total)
        axes.plot(1 / slower, total, color=color, label=name, linewidth=1.6)
    axes.set_xscale("log")
    ticks = {2: "50 %", 10: "90 %", 100: "99 %", 1000: "99.9 %", 10000: "99.99 %", 100000: "99.999 %"}
    largest = 2 * max(len(r.starts_ms) for r in records)
    axes.set_xticks([t for t in ticks if t <= largest], [ticks[t] for t in ticks if t <= largest])
    axes.minorticks_off()
    return svg(fig, axes)


def ecdf(records: Sequence[LatencyRecord], names: Sequence[str]) -> str:
    """Share of frames at or below a latency."""
    fig, axes = figure("latency, ms", "share of frames")
    for record, name, color in zip(records, names, _colors(records), strict=True):
        axes.ecdf(record.samples_ms[TOTAL], color=color, label=name, linewidth=1.6)
    axes.margins(x=0.04)
    return svg(fig, axes)


def over_time(records: Sequence[LatencyRecord], names: Sequence[str]) -> str:
    """Every sample at the time at which it began."""
    fig, axes = figure("time since the first frame, s", "latency, ms")
    for record, name, color in zip(records, names, _colors(records), strict=True):
        many = len(record.starts_ms) > MAX_POINTS
        axes.plot(
            record.starts_ms / 1000,
            record.samples_ms[TOTAL],
            ".",
            markersize=3,
            color=color,
            label=name,
            rasterized=many,
        )
    axes.set_ylim(bottom=0)
    return svg(fig, axes)


def stage_stack(records: Sequence[LatencyRecord], names: Sequence[str]) -> str:
    """Mean time of each stage; means add up where quantiles do not."""
    fig, axes = figure("mean time of a frame, ms", "")
    stages = list(dict.fromkeys(stage for record in records for stage in record.stages))
    rows = np.arange(len(records))
    left = np.zeros(len(records))
    for stage, color in zip(stages, _cycle(len(stages)), strict=True):
        means = np.array([record.samples_ms[stage].mean() if stage in record.stages else 0.0 for record in records])
        axes.barh(rows, means, left=left, height=0.55, color=color, label=stage)
        left += means
    rest = np.maximum(0, [record.samples_ms[TOTAL].mean() for record in records] - left)
    axes.barh(rows, rest, left=left, height=0.55, color=INK, alpha=0.25, label="between stages")
    axes.set_yticks(rows, names)
    axes.set_ylim(len(records) - 0.4, -0.6)
    return svg(fig, axes)


def figure(x_label: str, y_label: str) -> tuple[Any, Any]:
    """An empty figure and its axes, in the report's style; `svg` turns them into text."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing("matplotlib") from error
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "edgeunet", "font.family": "sans-serif"})
    fig = Figure(figsize=SIZE, layout="constrained")
    axes = fig.add_subplot()
    axes.set_xlabel(x_label, color=INK)
    axes.set_ylabel(y_label, color=INK)
    axes.tick_params(colors=INK)
    axes.grid(color=INK, alpha=0.15, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.patch.set_visible(False)
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(side in ("left", "bottom"))
    return fig, axes


def svg(fig: Any, axes: Any) -> str:
    """The figure as an inline <svg>, with the legend of `axes` above it; INK becomes the text's colour."""
    fig.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3, frameon=False, labelcolor=INK)
    file = io.StringIO()
    fig.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    return re.sub(r' id="(figure|axes|patch|text|line2d|legend|matplotlib|xtick|ytick|PathCollection)[^"]*"', "", text)


def _cycle(count: int) -> list[str]:
    return [PALETTE[i % len(PALETTE)] for i in range(count)]


def _colors(records: Sequence[LatencyRecord]) -> list[str]:
    return _cycle(len(records))
