"""A qualification in tables that fit into a terminal."""

from __future__ import annotations

import numpy as np

from edgeunet.latency.deadlines import upper_bound
from edgeunet_bench.guard.judging.judgement import Verdict
from edgeunet_bench.guard.qualification import Condition, Qualification
from edgeunet_bench.render.tables import NONE, TextTable, share

CONFIDENCE = 0.95
LEGEND = (
    "A/A: both the same; +5 %, +3 %: B made that much slower; tail: 2 % of B's calls take twice as long; disturbance: "
    "another program takes a processor. wanted: the right verdict; came out: trials that ended with it; needed: how "
    "many of the declared trials must; so far: reached, missed or open; others: upper bound of the share of other "
    "verdicts, "
    f"with {CONFIDENCE:.0%} confidence; s: median time of measuring a trial"
)


def qualification_table(found: Qualification) -> TextTable:
    """The wanted verdicts of the guard, and its results."""
    header = (found.conditions[0].workload, "wanted", "came out", "needed", "so far", "others", "s")
    note = LEGEND
    others = [(c.name, verdict, n) for c in found.conditions for verdict, n in c.total.items() if verdict != c.wanted]
    if others:
        note += "; " + ", ".join(f"{name}: {n} {verdict}" for name, verdict, n in others)
    return TextTable(header, tuple(_condition(c) for c in found.conditions), text_columns=2, note=note)


def machines_table(found: Qualification) -> TextTable:
    """On which machine how many trials came out as wanted. A trial compares within one machine."""
    names = dict.fromkeys(name for m in found.machines for name in m)
    differ = [name for name in names if len({m.get(name) for m in found.machines}) > 1]
    note = "; ".join(
        f"{i}: " + ", ".join(f"{name} {m.get(name, NONE)}" for name in differ) for i, m in enumerate(found.machines, 1)
    )
    rows = [
        (f"{c.name}, {c.wanted}", *(f"{v.get(c.wanted, 0)} of {sum(v.values())}" for v in c.verdicts))
        for c in found.conditions
    ]
    return TextTable(("on machine", *(str(i) for i, _ in enumerate(found.machines, 1))), tuple(rows), note=note)


def rules_table(found: Qualification) -> TextTable:
    """How often B was called slower on the same trials, by the guard and by the rule of each peer."""
    conditions = [c for c in found.conditions if c.rules]
    rules = list(dict.fromkeys(rule for c in conditions for rule in c.rules))
    rows = [("this guard", *(_of(c, c.total[Verdict.REGRESSED.name]) for c in conditions))]
    rows += [(rule, *(_of(c, c.rules.get(rule, 0)) for c in conditions)) for rule in rules]
    return TextTable(("called slower by", *(c.name for c in conditions)), tuple(rows))


def _condition(c: Condition) -> tuple[str, ...]:
    result = {True: "reached", False: "missed", None: "open"}[c.reached]
    worst = share(upper_bound(c.done - c.right, c.done, CONFIDENCE)) if c.done else NONE
    seconds = f"{np.median(c.seconds):.1f}" if any(c.seconds) else NONE
    return (c.name, c.wanted, f"{c.right} of {c.done}", f"{c.needed} of {c.declared}", result, worst, seconds)


def _of(c: Condition, number: int) -> str:
    return f"{number} of {c.done}"
