"""The sections on the guard: its verdicts, what they rest on, and how it was qualified."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from edgeunet_bench.guard.comparison import Comparison
from edgeunet_bench.guard.judging.judge import INTERLEAVED, TAIL, percent
from edgeunet_bench.guard.qualification import Qualification
from edgeunet_bench.render.blocks import Plot, Section, Table, unless_empty
from edgeunet_bench.render.names import numbered, shortened
from edgeunet_bench.report.sections import guard_plots
from edgeunet_bench.report.sections.guard_tables import gates_table, looks_table, verdict_table
from edgeunet_bench.report.sections.qualification_table import qualification_table, rules_table

VERDICTS_NOTE = (
    "Two models or commands, run interleaved in fresh processes in one run. INVALID: the run itself cannot be trusted; "
    "REFUSED: the two do not belong into one comparison. Neither is deleted, and neither says anything about B."
)
GROUNDS_NOTE = (
    f"Median: REGRESSED if the lower bound is above {percent(INTERLEAVED.regressed_above)}, PASS if the upper bound is "
    f"below the limit and a slowdown of {percent(INTERLEAVED.blind_above)} could not have gone unseen. Tail: the share "
    f"of calls above {TAIL:g} times the median of their process, in A and in B; REGRESSED if p is below the limit. "
    "The fixed workload ran beside both, and is the same beside both: more than its limit makes the run INVALID. "
    "Bounds are one-sided, over all looks; the smallest detectable effect would be found in 49 of 50 runs."
)
QUALIFICATION_NOTE = (
    "Trials whose right verdict is known, declared before they ran; fresh processes and sequential looks included."
)


def comparison_names(comparisons: Sequence[Comparison]) -> list[str]:
    """ "B against A", numbered where two would be the same."""
    return numbered([f"{shortened(c.b.name)} against {shortened(c.a.name)}" for c in comparisons])


def verdict_sections(comparisons: Mapping[str, Comparison]) -> Iterator[Section]:
    """comparisons: by name."""
    yield Section("Verdicts", unless_empty(verdict_table(comparisons)), VERDICTS_NOTE)
    yield Section("What the verdicts rest on", tuple(_grounds(comparisons)), GROUNDS_NOTE)


def qualification_section(qualifications: Sequence[Qualification]) -> Section:
    """What was declared, what came out, and what other tools' rules say of the same trials."""
    return Section("How the guard was qualified", tuple(_qualifications(qualifications)), QUALIFICATION_NOTE)


def _qualifications(qualifications: Sequence[Qualification]) -> Iterator[Table]:
    for qualification in qualifications:
        yield Table(qualification_table(qualification))
        if any(condition.rules for condition in qualification.conditions):
            yield Table(rules_table(qualification))


def _grounds(comparisons: Mapping[str, Comparison]) -> Iterator[Table | Plot]:
    for name, comparison in comparisons.items():
        if math.isnan(comparison.judgement.ratio):
            continue
        yield Table(gates_table(comparison.judgement), name)
        if len(comparison.looks) > 1:
            yield Table(looks_table(comparison.looks), f"{name}: looks")
        yield Plot(f"{name}: calls", partial(guard_plots.both, comparison))
        yield Plot(f"{name}: rounds", partial(guard_plots.ratios, comparison))
