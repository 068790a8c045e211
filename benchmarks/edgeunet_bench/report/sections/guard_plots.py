"""Plots of a comparison: the two distributions, and the ratio of every round with what was concluded from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeunet_bench.guard.comparison import Comparison
from edgeunet_bench.guard.judging.judge import INTERLEAVED
from edgeunet_bench.guard.judging.samples import rounds_of
from edgeunet_bench.render.names import shortened
from edgeunet_bench.render.plots import INK, LIMIT, cycle, figure, svg
from edgeunet_bench.report.sections.record_plots import ecdf_of

ROUNDS = 1500  # that are drawn one by one; of more, every pair shows as its median and its middle 90 %


def both(comparison: Comparison) -> str:
    """Share of the judged calls at or below a latency, of A and of B."""
    rounds = rounds_of(comparison.pairs)
    a, b = np.concatenate([r.a_ms for r in rounds]), np.concatenate([r.b_ms for r in rounds])
    return ecdf_of({f"A: {shortened(comparison.a.name)}": a, f"B: {shortened(comparison.b.name)}": b})


def ratios(comparison: Comparison) -> str:
    """How much slower B was than A in each round, by the pair of processes that ran it."""
    fig, axes = figure("pair of processes", "B against A, %")
    pairs = [np.array([np.median(r.b_ms) / np.median(r.a_ms) for r in p.rounds]) * 100 - 100 for p in comparison.pairs]
    rounds, medians = cycle(2)
    if sum(map(len, pairs)) <= ROUNDS:
        places = np.concatenate([i + 1 + np.linspace(-0.35, 0.35, len(pair)) for i, pair in enumerate(pairs)])
        axes.plot(places, np.concatenate(pairs), ".", markersize=2.5, color=rounds, alpha=0.5, label="round")
    else:
        low, high = np.array([np.quantile(pair, [0.05, 0.95]) for pair in pairs]).T
        label = "middle 90 % of the rounds"
        axes.vlines(np.arange(len(pairs)) + 1, low, high, color=rounds, alpha=0.4, linewidth=3, label=label)
    middle = [np.median(pair) for pair in pairs]
    axes.plot(np.arange(len(pairs)) + 1, middle, "o", markersize=4, color=medians, label="median of a pair")
    _draw_conclusion(axes, comparison)
    return svg(fig, axes)


def _draw_conclusion(axes: Any, comparison: Comparison) -> None:
    low, high = ((ratio - 1) * 100 for ratio in (comparison.judgement.low, comparison.judgement.high))
    axes.axhspan(low, high, color=INK, alpha=0.15, linewidth=0, label="99 % bounds")
    axes.axhline((INTERLEAVED.passed_below - 1) * 100, color=LIMIT, linewidth=1, linestyle="--", label="limit")
    axes.axhline(0, color=INK, linewidth=0.6)
