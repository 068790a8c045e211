"""The sections of a report and their order; a section without content is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from edgeunet.evaluation.scores_file import SavedScores
from edgeunet.latency.record import LatencyRecord
from edgeunet.utils.formatting import count
from edgeunet_bench.guard.comparison import Comparison
from edgeunet_bench.guard.qualification import Qualification
from edgeunet_bench.render.blocks import Plot, Section, Table, in_parts, unless_empty
from edgeunet_bench.render.tables import class_table, facts_table, when
from edgeunet_bench.report.caveats import caveats_table
from edgeunet_bench.report.report_inputs import ReportInputs
from edgeunet_bench.report.sections.guard_sections import qualification_section, verdict_sections
from edgeunet_bench.report.sections.record_sections import Records, record_sections
from edgeunet_bench.sweep.plot import pareto_plot
from edgeunet_bench.sweep.sweep_file import Sweep
from edgeunet_bench.sweep.table import skipped_table, sweep_table

CAVEATS_NOTE = "These runs are in every table and plot above: nothing is left out."


def contents(inputs: ReportInputs) -> list[Section]:
    """The sections of a report on at least one file."""
    return [section for section in _sections(inputs) if section.blocks]


def _sections(inputs: ReportInputs) -> Iterator[Section]:
    records = {name: found.record for name, found in inputs.analyses.items()}
    comparisons = inputs.named_comparisons
    yield from verdict_sections(comparisons)
    if records:
        yield from record_sections(inputs.analyses, inputs.scores)
    if inputs.scores:
        classes = tuple(in_parts(class_table(inputs.scores.values()), kept=1))
        yield Section("Accuracy", classes, _accuracy_note(inputs.scores.values()))
    for sweep in inputs.sweeps:
        yield Section("Models to choose from", tuple(_sweep(sweep)))
    yield qualification_section(inputs.qualifications)
    yield Section("Caveats", unless_empty(caveats_table(records, comparisons)), CAVEATS_NOTE)
    yield Section("What ran", tuple(_subjects(records, comparisons, inputs)))
    yield Section("Where it ran", tuple(_machines(records, comparisons, inputs)))


def _accuracy_note(scores: Iterable[SavedScores]) -> str:
    splits = sorted({f"{Path(s.dataset).name}, split {s.split}, {s.frames} frames" for s in scores})
    return f"In percent: IoU of each class on {', '.join(splits)}; – : the class does not occur."


def _sweep(sweep: Sweep) -> Iterator[Table | Plot]:
    yield Table(sweep_table(sweep, wide=True))
    if sweep.skipped:
        yield Table(skipped_table(sweep))
    if any(row.miou is not None for row in sweep.rows):
        yield Plot("Accuracy against latency", partial(pareto_plot, sweep))


def _subjects(records: Records, comparisons: Mapping[str, Comparison], inputs: ReportInputs) -> Iterator[Table]:
    """Models with their hashes, and the commands."""
    yield from in_parts(facts_table({name: _facts(record) for name, record in records.items()}), kept=1)
    for name, c in comparisons.items():
        run = f"{when(c.created)}, {c.seconds:g} s allowed, seed {c.seed}: {c.command}"
        yield Table(replace(facts_table({"A": c.a.facts, "B": c.b.facts}), note=run), name)
    others = {f"sweep of {sweep.created[:10]}": _run(sweep) for sweep in inputs.sweeps}
    others |= {f"qualification of {q.created[:10]}": _run(q) for q in inputs.qualifications}
    yield from in_parts(facts_table(others), kept=1)


def _machines(records: Records, comparisons: Mapping[str, Comparison], inputs: ReportInputs) -> Iterator[Table]:
    """Fingerprints, in one column those that are the same."""
    machines = {name: record.machine for name, record in records.items()}
    machines |= {name: comparison.machine for name, comparison in comparisons.items()}
    machines |= {f"sweep of {sweep.created[:10]}": sweep.machine for sweep in inputs.sweeps}
    machines |= {
        f"qualification of {q.created[:10]}" + (f", machine {i}" if i > 1 else ""): machine
        for q in inputs.qualifications
        for i, machine in enumerate(q.machines, 1)
    }
    return in_parts(facts_table(machines), kept=1)


def _run(item: Sweep | Qualification) -> dict[str, str]:
    return {"measured": when(item.created), "command": item.command}


def _facts(record: LatencyRecord) -> dict[str, str]:
    subject = record.subject
    return {
        "model": subject.model,
        "SHA-256": subject.model_sha256,
        "precision": subject.precision,
        "backend": subject.backend,
        "frames": record.frames,
        "mode": record.mode,
        "samples": f"{count(len(record.starts_ms))}{' (partial: interrupted)' if record.partial else ''}",
        "warm-up": f"{record.warmup_frames} frames{'' if record.warmup_settled else ' (did not settle)'}",
        "measured": when(record.created),
        "command": subject.command,
        "commit": subject.commit,
    }
