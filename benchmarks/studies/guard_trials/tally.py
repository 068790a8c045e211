"""Summarises trials: for each condition, what was declared and the results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.studies.guard_trials.conditions import AA, Kind, kinds_of
from benchmarks.studies.guard_trials.trial_file import Trial, TrialFile, TrialPlan
from edgeunet_bench.guard.judging.facts import OF_THE_MODEL
from edgeunet_bench.guard.judging.judgement import Judgement, Verdict, judge, refuse
from edgeunet_bench.guard.judging.samples import NONE, ProcessPair, Round
from edgeunet_bench.guard.qualification import Condition, Qualification

NO_ALARM = "no alarm"


def qualification_of(file: TrialFile, created: str) -> Qualification:
    """All conditions, including those without a trial. created: where there is no trial yet."""
    machines: list[Mapping[str, str]] = []
    trials: list[list[Trial]] = []  # of each machine
    for plan, part in file.parts:
        if plan.machine not in machines and (part or not machines):
            machines.append(plan.machine)
            trials.append([])
        if part:
            trials[machines.index(plan.machine)] += part
    conditions: list[Condition] = []
    for kind in kinds_of(model="model" in file.plan.subject):
        conditions.append(_condition(file.plan, kind, [[t for t in of if t.condition == kind.name] for of in trials]))
        if kind == AA:
            conditions.append(_no_alarm(conditions[-1]))
    workload = file.plan.workload
    conditions.append(_checked(workload, "a fact of the machine", Verdict.REFUSED, [*map(_mutations, machines)]))
    empty = [_empty(), *([] for _ in machines[1:])]
    conditions.append(_checked(workload, "no samples", Verdict.INVALID, empty))
    last = max((trial.ended for trial in file.trials), default=created)
    return Qualification(tuple(machines), last, file.plan.command, tuple(conditions))


def as_wanted(kind: Kind, trial: Trial) -> bool:
    """Whether a trial of this kind ended as it should, and in time."""
    return _outcome(kind, trial) == kind.wanted.name


def _outcome(kind: Kind, trial: Trial) -> str:
    late = trial.verdict == kind.wanted.name and trial.sampled_s > kind.within_s
    return f"{trial.verdict} after {kind.within_s:g} s" if late else trial.verdict


def _condition(plan: TrialPlan, kind: Kind, machines: Sequence[Sequence[Trial]]) -> Condition:
    declared = plan.declared[kind.name]
    trials = [trial for of in machines for trial in of]
    return Condition(
        workload=plan.workload,
        name=kind.name,
        wanted=kind.wanted.name,
        declared=declared,
        needed=kind.needed(declared),
        verdicts=tuple(dict(Counter(_outcome(kind, trial) for trial in of)) for of in machines),
        seconds=tuple(trial.sampled_s for trial in trials),
        rules=_rules(trials),
    )


def _rules(trials: Sequence[Trial]) -> dict[str, int]:
    """How often each rule called B slower; a trial without an answer does not count."""
    names = dict.fromkeys(rule for trial in trials for rule in trial.rules)
    return {name: sum(trial.rules.get(name, False) for trial in trials) for name in names}


def _no_alarm(aa: Condition) -> Condition:
    """The same trials of A/A, of which none may be called slower."""
    alarm = Verdict.REGRESSED.name
    verdicts = [Counter({alarm: of.get(alarm, 0), NO_ALARM: sum(of.values()) - of.get(alarm, 0)}) for of in aa.verdicts]
    return replace(
        aa, wanted=NO_ALARM, needed=aa.declared, verdicts=tuple(dict(+counts) for counts in verdicts), rules={}
    )


def _checked(workload: str, name: str, wanted: Verdict, machines: Sequence[Sequence[Judgement | None]]) -> Condition:
    """Of judgements that need no measuring."""
    count = sum(map(len, machines))
    verdicts = tuple(
        dict(Counter(judgement.verdict.name if judgement else "none" for judgement in of)) for of in machines
    )
    return Condition(workload, name, wanted.name, count, count, verdicts, (0.0,) * count, {})


def _mutations(facts: Mapping[str, str]) -> list[Judgement | None]:
    """Each fact of the machine changed alone, and each missing alone; another backend or model is no other machine."""
    machine = {name: fact for name, fact in facts.items() if name not in OF_THE_MODEL}
    others = [machine | {name: f"{value}, changed"} for name, value in machine.items() if name != "backend"]
    others += [{name: value for name, value in machine.items() if name != gone} for gone in machine]
    return [refuse(machine, other) for other in others]


def _empty() -> list[Judgement | None]:
    """No pairs, no rounds, and of 12 good pairs one arm of one round without samples."""
    full = Round(np.ones(20), np.ones(20))
    good = [ProcessPair((full, full))] * 11
    holes = [Round(NONE, full.b_ms), Round(full.a_ms, NONE), Round(NONE, NONE)]
    return [judge([]), judge([ProcessPair(())] * 12), *(judge([*good, ProcessPair((full, hole))]) for hole in holes)]
