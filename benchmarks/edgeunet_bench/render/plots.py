"""How a plot of the report is drawn: inline SVG that takes text colour and background from the page, so that both
colour schemes work, and series that are thinned without losing an extreme."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeunet.latency.quantiles import Samples
from edgeunet.utils.dependencies import needed
from edgeunet_bench.render.names import readable

INK = "#123456"  # stands for the page's text colour until the SVG is done
PALETTE = ("#3b82d6", "#e07b2a", "#2a9d74", "#c4508f", "#8a6fd1", "#9a8a1f")  # distinct on white and on black
LIMIT = "#d1495b"  # of a line that must not be crossed
WIDTH, HEIGHT = 4.4, 2.9  # inches: text stays readable at 400 px
PANEL = 1.25  # inches: height of a panel below the first
LABEL = 60  # characters of one name
LEGEND = 46  # characters of a legend that fit on one line
BINS = 320  # parts of the time axis that are visible at this width


@dataclass(frozen=True)
class Band:
    """A long series in at most BINS parts, (bins,) each. The extremes of a part are its extremes, nothing is lost."""

    times: Samples
    low: Samples
    middle: Samples  # median
    high: Samples


def banded(times: Samples, values: Samples) -> Band:
    """The series, (n,) each, in parts of equal duration; parts without a number are left out."""
    order = np.argsort(times, kind="stable")
    order = order[np.isfinite(values[order])]
    times, values = times[order], values[order]
    edges = np.linspace(times[0], times[-1], BINS + 1) if len(times) else times
    starts = np.unique(np.searchsorted(times, edges[:-1])) if len(times) else np.empty(0, np.intp)
    parts = [part for part in np.split(np.arange(len(times)), starts[1:]) if len(part)]
    return Band(
        np.array([times[part].mean() for part in parts]),
        np.array([values[part].min() for part in parts]),
        np.array([np.median(values[part]) for part in parts]),
        np.array([values[part].max() for part in parts]),
    )


def figure(x_label: str, y_label: str) -> tuple[Any, Any]:
    """An empty figure and its axes, in the report's style; `svg` turns them into text."""
    fig, (axes,) = panels(x_label, [y_label])
    return fig, axes


def panels(x_label: str, y_labels: Sequence[str]) -> tuple[Any, list[Any]]:
    """A figure and its axes, one below the other over the same x axis; the first is the tallest."""
    with needed("matplotlib"):
        import matplotlib
        from matplotlib.figure import Figure
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "edgeunet", "font.family": "sans-serif"})
    matplotlib.rcParams["text.parse_math"] = False  # a `$` in a name is a `$`
    heights = [HEIGHT, *[PANEL] * (len(y_labels) - 1)]
    fig = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    column = fig.subplots(len(heights), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, y_label in zip(column, y_labels, strict=True):
        _dress(axes, y_label)
    column[-1].set_xlabel(x_label, color=INK)
    fig.align_ylabels()
    return fig, list(column)


def svg(fig: Any, axes: Any) -> str:
    """The figure as an inline <svg>, with the legend of `axes` above it; INK becomes the text's colour."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        fig.legend(
            handles, labels, loc="outside upper left", ncols=_columns(labels), frameon=False, labelcolor=INK, fontsize=9
        )
    file = io.StringIO()
    with any_names():
        fig.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    # Hundredths of a point are enough, and half the size; what stands between tags is for people, and stays.
    text = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), text)
    text = re.sub(r" font-family: [^;\"]*;", "", text)  # the page's own; the one that was measured with is wider
    return re.sub(r' id="(figure|axes|patch|text|line2d|legend|matplotlib|xtick|ytick|PathCollection)[^"]*"', "", text)


@contextmanager
def any_names() -> Iterator[None]:
    """Draw without a warning for each letter that the font lacks, or for names that leave little room."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph|Tight layout|constrained_layout", category=UserWarning)
        yield


def label(name: str) -> str:
    """A name of the user's in a figure: matplotlib leaves out of a legend what begins with an underscore."""
    name = readable(" ".join(name.split()))
    name = name if len(name) <= LABEL else f"{name[: LABEL - 1]}…"
    return f"\N{ZERO WIDTH SPACE}{name}" if name.startswith("_") else name


def panel_legend(axes: Any) -> None:
    """Names what a panel shows, right above it."""
    _, labels = axes.get_legend_handles_labels()
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.2}
    axes.legend(ncols=_columns(labels), frameon=False, labelcolor=INK, fontsize=8, handlelength=1.2, **place)


def cycle(count: int) -> list[str]:
    """That many colours, distinct up to the length of PALETTE."""
    return [PALETTE[i % len(PALETTE)] for i in range(count)]


def _dress(axes: Any, y_label: str) -> None:
    axes.set_ylabel(y_label, color=INK)
    axes.tick_params(colors=INK, labelsize=9)
    axes.grid(color=INK, alpha=0.15, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.patch.set_visible(False)
    for side, spine in axes.spines.items():
        spine.set_color(INK)
        spine.set_visible(side in ("left", "bottom"))


def _columns(labels: Sequence[str]) -> int:
    return max(1, min(len(labels), LEGEND // (max(map(len, labels), default=1) + 4)))
