"""Running a sweep: every combination several times, in another random order each time, so that drift favours none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from edgeunet.board.fingerprint import fingerprint
from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.errors import ModelFileError
from edgeunet.evaluation.seen_split import warn_of_seen
from edgeunet.utils.console import command_line, progress, stderr
from edgeunet_bench.measure.input_frames import load_inputs
from edgeunet_bench.measure.surroundings import now
from edgeunet_bench.sweep.grid import Combination, SweepOptions, expand, require_files
from edgeunet_bench.sweep.sweep_file import Row, SkippedRun, Sweep
from edgeunet_bench.sweep.visit import Visit, VisitError, measured, scored

if TYPE_CHECKING:
    from rich.progress import Progress

PASSES = 3
START_S = 3.0  # of a process: imports, opening, warming up; for the estimate only


@dataclass
class _Turns:
    """What has been found of one combination so far."""

    combination: Combination
    visits: list[Visit] = field(default_factory=list)
    miou: float | None = None
    failure: str = ""

    def add(self, visit: Visit) -> None:
        """Raises VisitError if it is of another file than the visits before."""
        if self.visits and visit.file.sha256 != self.visits[0].file.sha256:
            raise VisitError(f"{self.combination.variant.path} was replaced by another file meanwhile: measure again")
        self.visits.append(visit)


def sweep(models: Sequence[Path], options: SweepOptions) -> Sweep:
    """Measure every combination, with progress and the time left on stderr.

    Ctrl-C ends it early and keeps what was measured, marked as partial; before the first pass it stops the program.
    Raises UsageError, DatasetError or SourceError for input that is wrong from the start, MismatchError for a dataset
    of other classes than a model's, ModelFileError if nothing could be run.
    """
    require_files(models, options)
    inputs = load_inputs(options.data)
    labelled = _labelled(options)
    with TemporaryDirectory(prefix="edgeunet-sweep-") as folder, progress(by_itself=False) as bar:
        found, skipped = expand(models, options, Path(folder))
        if any(c.variant.path.suffix == ".onnx" for c in found) and {"gpu", "l4t"} & fingerprint({}).keys():
            stderr().print(
                "note: .onnx files run on the CPU; for the GPU give engines, of each `edgeunet export engine M.onnx -o "
                "M.engine`"
            )
        if labelled is not None:
            for variant in {id(c.variant): c.variant for c in found}.values():
                warn_of_seen(options.split, variant.spec, Path(variant.name))
                variant.spec.require_classes(labelled.names, model=variant.name, dataset=str(options.data))
        turns = [_Turns(combination) for combination in found]
        if turns:
            seconds = len(turns) * (PASSES * START_S + options.seconds)
            stderr().print(f"{len(turns)} combinations in {PASSES} passes: about {_minutes(seconds)}")
        if labelled is not None:
            _score(turns, labelled, options.split, bar)
        partial = _measure(turns, options, bar)
        rows = tuple(_row(turn) for turn in turns if turn.visits)
        skipped += [_skipped(turn, partial=partial) for turn in turns if turn.failure or not turn.visits]
    if not rows:
        raise ModelFileError(f"nothing could be run: {skipped[0].model}: {skipped[0].reason}")
    return Sweep(
        machine=fingerprint({}),
        frames=inputs.name,
        labels=f"{labelled.path.name}, {options.split}" if labelled else "",
        created=now(),
        command=command_line(),
        budget_ms=options.budget_ms,
        passes=PASSES,
        partial=partial,
        rows=rows,
        skipped=tuple(skipped),
    )


def _labelled(options: SweepOptions) -> DatasetFolder | None:
    """The dataset if it has masks; raises DatasetError if these are damaged."""
    if options.data is None or not options.labelled:
        return None
    dataset = DatasetFolder.open(options.data)
    load_split(dataset, options.split, memory=0)
    return dataset


def _score(turns: list[_Turns], dataset: DatasetFolder, split: str, bar: Progress) -> None:
    """The mIoU does not depend on the threads, so once for each file and backend."""
    known: dict[tuple[int, str | None], float | VisitError] = {}
    for turn in bar.track(turns, description="scoring"):
        combination = turn.combination
        key = (id(combination.variant), combination.backend)
        if key not in known:
            try:
                known[key] = scored(combination, dataset.path, split)
            except VisitError as error:
                known[key] = error
        result = known[key]
        if isinstance(result, VisitError):
            turn.failure = str(result)
        else:
            turn.miou = result


def _measure(turns: list[_Turns], options: SweepOptions, bar: Progress) -> bool:
    """Visit all in every pass; returns whether it was interrupted."""
    rng = np.random.default_rng(options.seed)
    task = bar.add_task("measuring", total=PASSES * len(turns), note="")
    try:
        for _ in range(PASSES):
            for index in rng.permutation(len(turns)).tolist():
                turn = turns[index]
                bar.update(task, note=turn.combination.variant.name, refresh=True)
                if not turn.failure:
                    try:
                        turn.add(measured(turn.combination, options.data, options.seconds / PASSES))
                    except VisitError as error:
                        turn.failure = str(error)
                bar.advance(task)
    except KeyboardInterrupt:
        if not any(turn.visits for turn in turns):
            raise
        return True
    bar.refresh()
    return False


def _row(turn: _Turns) -> Row:
    variant, about = turn.combination.variant, turn.visits[0].about
    energies = [visit.energy_mj for visit in turn.visits if visit.energy_mj is not None]
    return Row(
        model=variant.name,
        model_sha256=turn.visits[0].file.sha256,
        precision=variant.spec.provenance.precision,
        input_size=variant.spec.input_size,
        size_bytes=turn.visits[0].file.size_bytes,
        parameters=variant.parameters,
        backend=about["backend"],
        version=about["version"],
        threads=int(about["threads"]) if "threads" in about else None,
        passes_ms=tuple(visit.times_ms for visit in turn.visits),
        miou=turn.miou,
        energy_mj=fmean(energies) if energies else None,
        throttled=any(visit.throttled for visit in turn.visits),
        network=variant.spec.provenance.network,
    )


def _skipped(turn: _Turns, *, partial: bool) -> SkippedRun:
    combination = turn.combination
    reason = turn.failure or ("interrupted before its first pass" if partial else "not measured")
    size = combination.variant.spec.input_size
    return SkippedRun(combination.variant.name, size, combination.backend or "", combination.threads, reason)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"
