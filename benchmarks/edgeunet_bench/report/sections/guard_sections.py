"""The sections on the guard: its verdicts, what they rest on, and how it was qualified."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from edgeunet.utils.formatting import count
from edgeunet_bench.guard.comparison import Comparison
from edgeunet_bench.guard.judging.judgement import INTERLEAVED, LOOKS, MAX_FOREIGN, TAIL, TAIL_ALPHA, Judgement, percent
from edgeunet_bench.guard.judging.samples import rounds_of
from edgeunet_bench.guard.qualification import Qualification
from edgeunet_bench.render.blocks import Plot, Section, Table, unless_empty
from edgeunet_bench.render.names import shortened
from edgeunet_bench.render.plots import INK, LIMIT, cycle, figure, svg
from edgeunet_bench.render.tables import NONE, TextTable, change, milliseconds, share, when
from edgeunet_bench.report.sections.qualification_table import machines_table, qualification_table, rules_table
from edgeunet_bench.report.sections.record_plots import ecdf_of

VERDICTS_NOTE = (
    "Two models or commands, run interleaved in fresh processes in one run. INVALID: the run itself cannot be trusted; "
    "REFUSED: the two were measured under different conditions. Such runs stay in the report, but prove nothing "
    "about B."
)
GROUNDS_NOTE = (
    f"Median: REGRESSED if the lower bound is above {percent(INTERLEAVED.regressed_above)}, PASS if the upper bound is "
    f"below the limit and a slowdown of {percent(INTERLEAVED.blind_above)} could not have gone unseen. Tail: the share "
    f"of calls above {TAIL:g} times the median of their process, in A and in B; REGRESSED if p is below the limit. "
    "The fixed workload ran with A and with B, and is the same for both: above its limit the run is INVALID. "
    "Bounds are one-sided, over all looks; the smallest detectable effect would be found in 49 of 50 runs."
)
QUALIFICATION_NOTE = (
    "Trials whose right verdict is known, declared before they ran; fresh processes and sequential looks included."
)


def verdict_sections(comparisons: Mapping[str, Comparison]) -> Iterator[Section]:
    """comparisons: by name."""
    yield Section("Verdicts", unless_empty(verdict_table(comparisons)), VERDICTS_NOTE)
    yield Section("What the verdicts rest on", tuple(_grounds(comparisons)), GROUNDS_NOTE)


def qualification_section(qualifications: Sequence[Qualification]) -> Section:
    """What was declared, the results, and the results of other tools' rules on the same trials."""
    return Section("How the guard was qualified", tuple(_qualifications(qualifications)), QUALIFICATION_NOTE)


def _qualifications(qualifications: Sequence[Qualification]) -> Iterator[Table]:
    for qualification in qualifications:
        yield Table(qualification_table(qualification))
        if len(qualification.machines) > 1:
            yield Table(machines_table(qualification))
        if any(condition.rules for condition in qualification.conditions):
            yield Table(rules_table(qualification))


def _grounds(comparisons: Mapping[str, Comparison]) -> Iterator[Table | Plot]:
    for name, comparison in comparisons.items():
        if math.isnan(comparison.judgement.ratio):
            continue
        yield Table(gates_table(comparison.judgement), name)
        if len(comparison.looks) > 1:
            yield Table(looks_table(comparison.looks), f"{name}: looks")
        yield Plot(f"{name}: calls", partial(both, comparison))
        yield Plot(f"{name}: rounds", partial(ratios, comparison))


def verdict_table(comparisons: Mapping[str, Comparison]) -> TextTable:
    """The verdict of each comparison, and why."""
    rows = []
    for name, comparison in comparisons.items():
        judgement = comparison.judgement
        rows.append((name, judgement.verdict.name, judgement.reason, when(comparison.created)))
    return TextTable(("comparison", "verdict", "reason", "measured"), tuple(rows), text_columns=4)


def gates_table(judgement: Judgement) -> TextTable:
    """What a verdict rests on: the limit of each gate, what was observed, and the smallest effect it can detect."""
    j = judgement
    median = change(j.ratio), _bounds(j.low, j.high), f"{count(j.rounds)} rounds", change(j.detectable)
    tail = f"{_known(j.tail_a)} → {_known(j.tail_b)}", f"p = {j.tail_p:.2g}", f"{count(j.calls)} calls"
    control = _bounds(j.control_low, j.control_high)
    rows = (
        ("median", change(INTERLEAVED.passed_below), *median),
        ("tail", f"p = {TAIL_ALPHA / LOOKS:.1g}", *tail, _known(j.tail_detectable)),
        ("fixed workload", f"±{percent(INTERLEAVED.regressed_above)}", NONE, control, NONE, NONE),
        ("its drift", NONE, _known(j.drift), NONE, NONE, NONE),
        ("other programs", _known(MAX_FOREIGN), _known(j.foreign), NONE, NONE, NONE),
    )
    medians = f"median of A {milliseconds(j.a_ms)} ms, of B {milliseconds(j.b_ms)} ms; {j.pairs} pairs of processes"
    header = ("gate", "limit", "observed", "99 % bounds, or p", "n", "smallest detectable")
    return TextTable(header, rows, note=medians)


def looks_table(looks: Sequence[Judgement]) -> TextTable:
    """The steps to a verdict, look by look."""
    rows = [
        (f"look {i}", look.verdict.name, change(look.ratio), _bounds(look.low, look.high), change(look.detectable))
        for i, look in enumerate(looks, 1)
    ]
    return TextTable(("", "verdict", "observed", "99 % bounds", "smallest detectable"), tuple(rows), text_columns=2)


def _bounds(low: float, high: float) -> str:
    return NONE if math.isnan(low) else f"{change(low)} to {change(high)}"


def _known(value: float) -> str:
    return NONE if math.isnan(value) else share(value)


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
