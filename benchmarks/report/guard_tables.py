"""The guard's verdicts, and how the guard itself was qualified, in tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.guard.comparison import Comparison
from benchmarks.guard.judge import INTERLEAVED, LOOKS, MAX_FOREIGN, TAIL_ALPHA, Judgement, Verdict, percent
from benchmarks.qualify.record import Condition, Qualification
from benchmarks.report.tables import NONE, TextTable, count, milliseconds, share, when
from edgeunet.deadline import upper_bound

CONFIDENCE = 0.95  # of the bound of a rate of verdicts, one-sided


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
    median = signed(j.ratio), _bounds(j.low, j.high), f"{count(j.rounds)} rounds", signed(j.detectable)
    tail = f"{_known(j.tail_a)} → {_known(j.tail_b)}", f"p = {j.tail_p:.2g}", f"{count(j.calls)} calls"
    control = _bounds(j.control_low, j.control_high)
    rows = (
        ("median", signed(INTERLEAVED.passed_below), *median),
        ("tail", f"p = {TAIL_ALPHA / LOOKS:.1g}", *tail, _known(j.tail_detectable)),
        ("fixed workload", f"±{percent(INTERLEAVED.regressed_above)}", NONE, control, NONE, NONE),
        ("drift of it", NONE, _known(j.drift), NONE, NONE, NONE),
        ("other programs", _known(MAX_FOREIGN), _known(j.foreign), NONE, NONE, NONE),
    )
    medians = f"median of A {milliseconds(j.a_ms)} ms, of B {milliseconds(j.b_ms)} ms; {j.pairs} pairs of processes"
    header = ("gate", "limit", "observed", "99 % bounds", "n", "smallest detectable")
    return TextTable(header, rows, note=medians)


def looks_table(looks: Sequence[Judgement]) -> TextTable:
    """How a verdict came about, look by look."""
    rows = [
        (f"look {i}", look.verdict.name, signed(look.ratio), _bounds(look.low, look.high), signed(look.detectable))
        for i, look in enumerate(looks, 1)
    ]
    return TextTable(("", "verdict", "observed", "99 % bounds", "smallest detectable"), tuple(rows), text_columns=2)


def conditions_table(qualification: Qualification) -> TextTable:
    """What was declared of the guard beforehand, and what came out."""
    header = ("workload", "done to B", "wanted", "", "as wanted", "needed", "others", "called slower", "seconds")
    return TextTable(header, tuple(_condition(c) for c in qualification.conditions), text_columns=4)


def rules_table(qualification: Qualification) -> TextTable:
    """How often each peer's rule called B slower on the same trials, beside the guard."""
    conditions = [c for c in qualification.conditions if c.rules]
    rules = list(dict.fromkeys(rule for c in conditions for rule in c.rules))
    rows = [
        (
            c.workload,
            c.name,
            _of(c, _slower(c)),
            *(_of(c, c.rules[rule]) if rule in c.rules else NONE for rule in rules),
        )
        for c in conditions
    ]
    return TextTable(("workload", "done to B", "edgeunet", *rules), tuple(rows), text_columns=2)


def signed(ratio: float) -> str:
    """1.034 → "+3.40 %"."""
    return NONE if math.isnan(ratio) else f"{(ratio - 1) * 100:+.2f} %".replace("-", "−")


def _condition(c: Condition) -> tuple[str, ...]:
    result = {True: "reached", False: "missed", None: "open"}[c.reached]
    others = ", ".join(f"{number} {verdict}" for verdict, number in c.verdicts.items() if verdict != c.wanted)
    slower, seconds = NONE, NONE
    if c.done:
        bound = share(upper_bound(_slower(c), c.done, CONFIDENCE))
        slower = f"{_slower(c)} (at most {bound})"
        seconds = f"{np.median(c.seconds):.1f} (at most {max(c.seconds):.1f})"
    right = f"{c.right} of {c.done}"
    return (c.workload, c.name, c.wanted, result, right, f"{c.needed} of {c.declared}", others or NONE, slower, seconds)


def _slower(c: Condition) -> int:
    return c.verdicts.get(Verdict.REGRESSED.name, 0)


def _of(c: Condition, number: int | None) -> str:
    return NONE if number is None or not c.done else f"{number} ({number / c.done * 100:.0f} %)"


def _bounds(low: float, high: float) -> str:
    return NONE if math.isnan(low) else f"{signed(low)} to {signed(high)}"


def _known(value: float) -> str:
    return NONE if math.isnan(value) else share(value)
