"""Measuring the guard: trials of all conditions in turn, each kept as it ends."""

from __future__ import annotations

import glob
import math
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.studies.guard_trials.arm import ABOUT, NOTHING, ArmOptions, Injection
from benchmarks.studies.guard_trials.conditions import KINDS, Kind, kinds_of
from benchmarks.studies.guard_trials.disturbance import disturbing
from benchmarks.studies.guard_trials.rules import called_slower
from benchmarks.studies.guard_trials.tally import as_wanted, qualification_of
from benchmarks.studies.guard_trials.trial_file import Trial, TrialFile, TrialPlan, code_hash, declared_in
from benchmarks.studies.study import command_of
from edgeunet.board.fingerprint import fingerprint
from edgeunet.board.machine import usable_cpus
from edgeunet.errors import EdgeUNetError, MismatchError, UsageError
from edgeunet.utils.console import progress
from edgeunet.utils.files import require_writable, sha256
from edgeunet.utils.limits import require_count
from edgeunet_bench.guard.commands import comparison_of
from edgeunet_bench.guard.judging.judgement import MIN_PAIRS
from edgeunet_bench.guard.running.arms import TurnArm
from edgeunet_bench.guard.running.interference import ForeignLoad, own_ticks
from edgeunet_bench.guard.running.interleave import CompareOptions, Interleaved, interleave
from edgeunet_bench.guard.running.model_arm import ModelOptions
from edgeunet_bench.guard.running.worker import Worker
from edgeunet_bench.measure.surroundings import now

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

MODULE = "benchmarks.studies.guard_trials"
KEPT = 40  # comparisons that did not end as wanted, whose samples are kept: some 100 MB
HOUR_S = 3600.0
ALONE = 0.03  # share of the processors' time that other programs may take before a trial starts
ALONE_S, WAIT_S = 1.0, 20.0  # to look at, and between two looks
MAX_TRIALS = 100_000


@dataclass(frozen=True)
class QualifyOptions:
    """model: what both arms run; None: the work of workload.py, held on one processor.

    only: names of conditions to measure; empty: all. trials: of each condition, to declare fewer than is proper.
    """

    model: Path | None = None
    only: tuple[str, ...] = ()
    trials: int | None = None

    def __post_init__(self) -> None:
        names = [kind.name for kind in KINDS]
        if unknown := [name for name in self.only if name not in names]:
            raise UsageError(f'no condition is named "{unknown[0]}": there are {", ".join(names)}')
        require_count("--trials", self.trials, most=MAX_TRIALS)
        if self.model and not self.model.is_file():
            raise UsageError(f"{self.model}: no such model file")

    @property
    def kinds(self) -> list[Kind]:
        """The conditions to measure."""
        return [kind for kind in kinds_of(model=self.model is not None) if not self.only or kind.name in self.only]


@dataclass(frozen=True)
class Paths:
    """Where things go: the qualification, its trials, and the comparisons that did not end as wanted."""

    output: Path

    @property
    def trials(self) -> Path:
        return self.output.with_suffix(".trials.jsonl")

    @property
    def kept(self) -> Path:
        return self.output.with_suffix(".kept")

    def comparison(self, kind: Kind, number: int | str) -> Path:
        """Where the samples of a trial are kept."""
        return self.kept / f"{kind.name.replace('/', '')} {number}.json"

    def remove_kept(self) -> None:
        """Remove the comparisons of an earlier run, and nothing else that may lie there."""
        for kind in KINDS:
            for path in self.kept.glob(glob.escape(self.comparison(kind, "").stem) + " [0-9]*.json"):
                path.unlink()
        with suppress(OSError):
            self.kept.rmdir()

    def require_usable(self, *, force: bool) -> None:
        """Raise OutputError if the output exists, is not from an earlier run, and `force` is false."""
        require_writable(self.output, force=force or self.trials.exists())


def qualify(options: QualifyOptions, paths: Paths, *, force: bool) -> tuple[TrialFile, bool]:
    """Measure what is missing, with a progress bar on stderr; the output is written again after each trial.

    Returns the trials, and whether Ctrl-C ended it early: the trial that it interrupts is lost, those before are kept.
    Raises MismatchError if earlier trials are of another subject, code or number, or the code changes meanwhile.
    """
    paths.require_usable(force=force)
    if force:
        paths.remove_kept()
    with _held(options):
        file = TrialFile(paths.trials, _plan(options, None if force else declared_in(paths.trials)), force=force)
        qualification_of(file, now()).save(paths.output, force=True)
        done = Counter(trial.condition for trial in file.trials)
        todo = [(kind, number) for kind, number in _all(options.kinds, file.plan) if number >= done[kind.name]]
        try:
            _measure(todo, done.total(), file, options, paths)
        except KeyboardInterrupt:
            return file, True
    return file, False


def _measure(
    todo: Sequence[tuple[Kind, int]], done: int, file: TrialFile, options: QualifyOptions, paths: Paths
) -> None:
    bar = progress(by_itself=False)
    bar.speed_estimate_period = HOUR_S
    with bar:
        task = bar.add_task("trials", total=done + len(todo), completed=done, note="")
        for kind, number in todo:
            bar.update(task, note=f"{kind.name} {number}", refresh=True)
            _wait_until_alone(bar, task)
            if code_hash() != file.plan.code:
                raise MismatchError("the guard's code changed during the run: start again, with another --output")
            file.append(_trial(kind, number, options, paths, bar))
            qualification_of(file, now()).save(paths.output, force=True)
            bar.update(task, advance=1, refresh=True)
            for comparing in bar.task_ids[1:]:
                bar.remove_task(comparing)


def _wait_until_alone(bar: Progress, task: TaskID) -> None:
    """A trial that other programs disturb from its start says nothing about the guard."""
    while True:
        load, own = ForeignLoad(usable_cpus()), own_ticks()
        until = time.perf_counter() + ALONE_S
        while time.perf_counter() < until:  # busy, as a trial is: the system moves others to another processor
            pass
        if not load.share(own_ticks() - own) > ALONE:  # also where it is unknown
            return
        bar.update(task, note="waiting for other programs", refresh=True)
        time.sleep(WAIT_S)


def _all(kinds: Sequence[Kind], plan: TrialPlan) -> Iterator[tuple[Kind, int]]:
    """In turn, so that all conditions are equally far when it is interrupted, and share what the machine does."""
    for number in range(max(plan.declared.values())):
        for kind in kinds:
            if number < plan.declared[kind.name]:
                yield kind, number


def _plan(options: QualifyOptions, declared: Mapping[str, int] | None) -> TrialPlan:
    """declared: in an earlier run; it holds unless --trials is given."""
    arm = _arm(options)
    with Worker(arm.argv) as worker:
        about = worker.ready()
    if options.trials is not None or declared is None:
        most = options.trials or max(kind.declared for kind in KINDS)
        declared = {kind.name: min(kind.declared, most) for kind in KINDS}
    workload = f"{options.model.name}, {about['backend']}" if options.model else "NumPy loop"
    return TrialPlan(workload, arm.facts, fingerprint(about), code_hash(), declared, command_of(MODULE))


def _arm(options: QualifyOptions, injection: Injection = NOTHING, starts: Path | None = None) -> TurnArm:
    if options.model:
        name, facts = options.model.name, {"model": options.model.name, "SHA-256": sha256(options.model)}
        model = ModelOptions(str(options.model))
    else:
        name, facts, model = "NumPy loop", {"work": ABOUT}, None
    given = ArmOptions(injection, model, str(starts) if starts else None)
    return TurnArm(name, facts, given.argv())


def _trial(kind: Kind, number: int, options: QualifyOptions, paths: Paths, bar: Progress) -> Trial:
    begin = time.perf_counter()
    compare = CompareOptions(kind.seconds, number)
    try:
        measured = _measured(kind, options, compare, bar)
    except EdgeUNetError as error:  # a process that died is a failure of this trial, not the end of hours of work
        return Trial(kind.name, number, "ERROR", str(error), 0.0, time.perf_counter() - begin, 0, now())
    if measured.partial:
        raise KeyboardInterrupt
    last = measured.looks[-1]
    trial = Trial(
        condition=kind.name,
        number=number,
        verdict=last.verdict.name,
        reason=last.reason,
        sampled_s=_sampled_s(measured),
        wall_s=time.perf_counter() - begin,
        pairs=len(measured.pairs),
        ended=now(),
        **{name: _known(getattr(last, name)) for name in ("ratio", "low", "high", "tail_p", "foreign")},
        rules=called_slower(measured.pairs),
    )
    if not as_wanted(kind, trial):
        _keep(paths.comparison(kind, number), kind, options, compare, measured)
    return trial


def _measured(kind: Kind, options: QualifyOptions, compare: CompareOptions, bar: Progress) -> Interleaved:
    """One comparison. The disturbance takes the middle third of the pairs before the first look."""
    if not kind.disturbed:
        return interleave(_arm(options), _arm(options, kind.injection), compare, bar)
    with tempfile.TemporaryDirectory() as folder:
        starts = Path(folder) / "starts"
        starts.touch()
        third = MIN_PAIRS // 3
        with Worker(disturbing(starts, max(usable_cpus()), third + 1, 2 * third + 1)):
            return interleave(_arm(options, starts=starts), _arm(options), compare, bar)


def _known(figure: float) -> float | None:
    return None if math.isnan(figure) else figure


def _sampled_s(measured: Interleaved) -> float:
    arrays = (samples for pair in measured.pairs for r in pair.rounds for samples in vars(r).values())
    return float(sum(samples.sum() for samples in arrays)) / 1e3


def _keep(path: Path, kind: Kind, options: QualifyOptions, compare: CompareOptions, measured: Interleaved) -> None:
    """Raw samples of every trial would be gigabytes: only the first KEPT that need a study stay."""
    if path.parent.is_dir() and len(list(path.parent.iterdir())) >= KEPT:
        return
    arm = _arm(options)
    slower = replace(arm, facts={**arm.facts, "injected": kind.name})
    comparison_of(arm, slower, measured, compare, command_of(MODULE)).save(path, force=True)


@contextmanager
def _held(options: QualifyOptions) -> Iterator[None]:
    """Work of one thread stays on one processor, with all that is compared to it (interleave.py says why)."""
    with ExitStack() as stack:
        if not options.model and hasattr(os, "sched_setaffinity"):
            stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
            os.sched_setaffinity(0, {max(usable_cpus())})
        yield
