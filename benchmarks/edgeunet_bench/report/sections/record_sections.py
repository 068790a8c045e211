"""The sections on latency records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from edgeunet.evaluation.scores_file import SavedScores
from edgeunet.latency.analysis import Analysis
from edgeunet.latency.quantiles import CONFIDENCE
from edgeunet.latency.record import LatencyRecord
from edgeunet.utils.formatting import count
from edgeunet_bench.render.blocks import Plot, Section, Table, in_parts, unless_empty
from edgeunet_bench.render.names import shortened
from edgeunet_bench.render.tables import stage_table, summary_table, transposed
from edgeunet_bench.report.sections import machine_views, record_plots
from edgeunet_bench.report.sections.machine_views import sensors_table
from edgeunet_bench.report.sections.timing_tables import (
    age_table,
    deadline_table,
    drift_table,
    energy_table,
    others_table,
)

Records = Mapping[str, LatencyRecord]  # by name
OVERLAID = 6  # records in one plot, as many as there are colours

DEADLINES_NOTE = (
    'Deadline in ms. The true share of misses is below the one in the columns "at most" with that confidence, '
    "one-sided and exact, if misses are independent; a long streak shows that they are not."
)
AGE_NOTE = (
    "In ms, with intervals as under Stages. Age starts when the frame was due or captured, so it includes waiting. "
    "Jitter is the difference between the time from one mask to the next and the time between their frames. Dropped "
    "frames never ran, because a newer one arrived."
)
STAGES_NOTE = (
    f"In ms. Each bound of an interval holds with {CONFIDENCE * 100:g} %, whatever the distribution; "
    '"insufficient": too few samples for it. Nothing is left out; max is the maximum observed. '
    "End to end is measured by itself, since quantiles do not add up."
)
OTHERS_NOTE = "In ms; these times are not part of end to end."
OVER_TIME_NOTE = (
    f"Latency, and below it what the machine reported. Above {count(machine_views.POINTS)} samples, the maximum and "
    "the median of each part of the time are drawn. Before 0 are the idle time and the warm-up."
)
DRIFT_NOTE = (
    "Medians in ms of the first and the last tenth of the time; within chance: their intervals overlap. "
    "In brackets behind the growth of the process: the memory of the samples themselves."
)
ENERGY_NOTE = "Gross is all energy from the rails, per frame; net is without the energy of the idle machine."
SENSORS_NOTE = "Median, lowest and highest value, including the idle time before a measurement."
TREND_NOTE = (
    "Stored records of one model in order of time, with the interval of each quantile. "
    "Different days are different conditions: a trend here proves nothing; use the guard's verdicts."
)


def record_sections(found: Mapping[str, Analysis], scores: Mapping[str, SavedScores]) -> Iterator[Section]:
    """found: by the record's name. scores: by model_sha256."""
    records = {name: analysis.record for name, analysis in found.items()}
    shown = _shown(records)
    some = sum(map(len, shown)) < len(records)
    newest = f"Plots show the newest {OVERLAID} records of each mode, tables all of them." if some else ""
    yield Section("Summary", (Table(summary_table(list(records.values()), scores)),))
    yield Section("Distribution", tuple(_distribution(shown)), newest)
    yield Section("Deadlines", unless_empty(deadline_table(found)), DEADLINES_NOTE)
    yield Section("Frame age and jitter", unless_empty(age_table(found)), AGE_NOTE)
    yield Section("Stages", tuple(_stages(records, shown)), STAGES_NOTE)
    yield Section("Also measured", unless_empty(others_table(records)), OTHERS_NOTE)
    yield Section("Over time", tuple(_over_time(shown)), OVER_TIME_NOTE)
    yield Section("Drift", unless_empty(drift_table(found)), DRIFT_NOTE)
    yield Section("Energy of a frame", unless_empty(energy_table(found)), ENERGY_NOTE)
    yield Section("Sensors", tuple(in_parts(sensors_table(records), kept=2)), SENSORS_NOTE)
    yield Section("Trend", tuple(_trends(records)), TREND_NOTE)


def _shown(records: Records) -> list[Records]:
    """By mode, since latencies of different modes are different things: the newest that fit into one plot."""
    modes = dict.fromkeys(record.mode for record in records.values())
    groups = [{name: record for name, record in records.items() if record.mode == mode} for mode in modes]
    shown: list[Records] = []
    for group in groups:
        newest = sorted(group, key=lambda name: group[name].created, reverse=True)[:OVERLAID]
        shown.append({name: record for name, record in group.items() if name in newest})
    return shown


def _titled(title: str, group: Records, shown: list[Records]) -> str:
    """With the mode where there are several."""
    return title if len(shown) == 1 else f"{title}, {next(iter(group.values())).mode}"


def _distribution(shown: list[Records]) -> Iterator[Plot]:
    for group in shown:
        yield Plot(_titled("Quantiles", group, shown), partial(record_plots.quantile_curve, group))
        yield Plot(_titled("Share of frames", group, shown), partial(record_plots.ecdf, group))


def _stages(records: Records, shown: list[Records]) -> Iterator[Table | Plot]:
    for name, record in records.items():
        yield Table(transposed(stage_table(record, bounds=record.samples_ms)), name)
    for group in shown:
        if any(record.stages for record in group.values()):
            yield Plot(_titled("Where the time goes", group, shown), partial(record_plots.stage_stack, group))


def _over_time(shown: list[Records]) -> Iterator[Plot]:
    for group in shown:
        for name, record in group.items():
            title = f"{name}: thermal soak" if record.mode == "soak" else name
            yield Plot(title, partial(machine_views.over_time, record))


def _trends(records: Records) -> Iterator[Plot]:
    """One for each model, precision and mode that was measured at more than one time."""
    kinds: dict[tuple[str, str, str], list[LatencyRecord]] = {}
    for record in records.values():
        kinds.setdefault((record.subject.model, record.subject.precision, record.mode), []).append(record)
    for (model, precision, mode), alike in kinds.items():
        if len({record.created for record in alike}) > 1:
            ordered = sorted(alike, key=lambda record: record.created)
            title = ", ".join(filter(None, (shortened(model), precision, mode)))
            yield Plot(title, partial(record_plots.trend, ordered))
