"""The input of a report: files, recognised by their schema."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from edgeunet.errors import RecordError, UsageError
from edgeunet.evaluation import scores_file
from edgeunet.evaluation.scores_file import SavedScores, load_scores
from edgeunet.latency import record as latency
from edgeunet.latency.analysis import Analysis, analyse
from edgeunet.latency.record import LARGEST, LatencyRecord
from edgeunet.utils.json_fields import read_json
from edgeunet_bench.guard import comparison as guard
from edgeunet_bench.guard import qualification as qualify
from edgeunet_bench.guard.comparison import Comparison
from edgeunet_bench.guard.qualification import Qualification
from edgeunet_bench.render.names import numbered, record_names, shortened
from edgeunet_bench.sweep import sweep_file as sweep
from edgeunet_bench.sweep.sweep_file import Sweep


@dataclass(frozen=True)
class ReportInputs:
    """In the order of the command line. scores: by model_sha256, all of models that were measured."""

    records: Sequence[LatencyRecord]
    comparisons: Sequence[Comparison]
    sweeps: Sequence[Sweep]
    qualifications: Sequence[Qualification]
    scores: Mapping[str, SavedScores]

    def __post_init__(self) -> None:
        models = {record.subject.model_sha256 for record in self.records}
        for sha256, s in self.scores.items():
            if sha256 not in models:
                raise RecordError(
                    f"no record is of the model behind the scores of {s.model} (model hash {sha256[:12]}): evaluate "
                    f"the file that was measured"
                )

    @cached_property
    def analyses(self) -> dict[str, Analysis]:
        """Every record with what is computed from it, by its name in the report."""
        return {name: analyse(record) for name, record in zip(record_names(self.records), self.records, strict=True)}

    @cached_property
    def named_comparisons(self) -> dict[str, Comparison]:
        """By "B against A", numbered where two would be the same."""
        names = numbered([f"{shortened(c.b.name)} against {shortened(c.a.name)}" for c in self.comparisons])
        return dict(zip(names, self.comparisons, strict=True))

    @property
    def measured(self) -> str:
        """When the newest of it was made, UTC, ISO 8601."""
        items = (self.records, self.comparisons, self.sweeps, self.qualifications)
        return max(item.created for kind in items for item in kind)


LOADERS: dict[str, Callable[[Path], Any]] = {
    latency.SCHEMA: LatencyRecord.load,
    guard.SCHEMA: Comparison.load,
    sweep.SCHEMA: Sweep.load,
    qualify.SCHEMA: Qualification.load,
    scores_file.SCHEMA: load_scores,
}


def load_inputs(files: Iterable[Path], scores: Iterable[Path]) -> ReportInputs:
    """Read what a report is to show; raises RecordError for a file that is missing, damaged or of no such kind."""
    loaded = [_load(path) for path in files]
    if all(isinstance(item, SavedScores) for item in loaded):
        raise UsageError("got accuracy only: give what `edgeunet bench` measured as well")
    known = [item for item in loaded if isinstance(item, SavedScores)] + [load_scores(path) for path in scores]
    return ReportInputs(
        records=[part for item in loaded if isinstance(item, LatencyRecord) for part in item.by_source()],
        comparisons=[item for item in loaded if isinstance(item, Comparison)],
        sweeps=[item for item in loaded if isinstance(item, Sweep)],
        qualifications=[item for item in loaded if isinstance(item, Qualification)],
        scores=by_model(known),
    )


def by_model(scores: Iterable[SavedScores]) -> dict[str, SavedScores]:
    """Scores by the hash of their model; raises RecordError if one model has two."""
    found: dict[str, SavedScores] = {}
    for s in scores:
        if s.model_sha256 in found:
            raise RecordError(f"two scores files are of {s.model}: give one for each model")
        found[s.model_sha256] = s
    return found


@dataclass(frozen=True)
class _Any:
    schema: str


def _load(path: Path) -> Any:
    """What the file holds; raises RecordError if it is none of LOADERS."""
    remedy = "give what `edgeunet bench` run, compare or sweep wrote, or `edgeunet evaluate -o`"
    found = read_json(path, _Any, error=RecordError, what="a file of measurements", remedy=remedy, largest=LARGEST)
    kinds = {known.partition("/")[0]: load for known, load in LOADERS.items()}
    if load := kinds.get(found.schema.partition("/")[0]):
        return load(path)
    raise RecordError(f"{path} is of the kind {found.schema[:60]!r}, which cannot be in a report: {remedy}")
