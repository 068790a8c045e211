"""The guard's verdicts in tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edgeunet.utils.formatting import count
from edgeunet_bench.guard.comparison import Comparison
from edgeunet_bench.guard.judging.judge import INTERLEAVED, LOOKS, MAX_FOREIGN, TAIL_ALPHA, Judgement, percent
from edgeunet_bench.render.tables import NONE, TextTable, change, milliseconds, share, when


def verdict_table(comparisons: Mapping[str, Comparison]) -> TextTable:
    """The verdict of each comparison, and why."""
    rows = []
    for name, comparison in comparisons.items():
        judgement = comparison.judgement
        rows.append((name, judgement.verdict.name, judgement.reason, when(comparison.created)))
    return TextTable(("comparison", "verdict", "reason", "measured"), tuple(rows), text_columns=4)


def gates_table(judgement: Judgement) -> TextTable:
    """What a verdict rests on: the limit of each gate, what was observed, and what it could not have seen."""
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
    """How a verdict came about, look by look."""
    rows = [
        (f"look {i}", look.verdict.name, change(look.ratio), _bounds(look.low, look.high), change(look.detectable))
        for i, look in enumerate(looks, 1)
    ]
    return TextTable(("", "verdict", "observed", "99 % bounds", "smallest detectable"), tuple(rows), text_columns=2)


def _bounds(low: float, high: float) -> str:
    return NONE if math.isnan(low) else f"{change(low)} to {change(high)}"


def _known(value: float) -> str:
    return NONE if math.isnan(value) else share(value)
