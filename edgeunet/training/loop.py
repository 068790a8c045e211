"""The training loop: steps, evaluations, checkpoints; an interrupted run goes on to the identical result."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgeunet.evaluation.metrics import Scores
from edgeunet.training.faults import explained
from edgeunet.training.job import Job
from edgeunet.training.output.run_folder import BEST
from edgeunet.training.processes import distributed
from edgeunet.training.processes.signals import stop_requested
from edgeunet.training.trainer import Run


class Observer(Protocol):
    """Is told how the run goes, and shows it. position: of `total`, in steps or in milliseconds of a time budget."""

    def on_step(self, position: int, total: int, loss: float, images_per_s: float) -> None: ...
    def on_evaluation(self, step: int, scores: Scores, *, best: bool) -> None: ...


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended. interrupted: it stopped early and can be resumed.

    miou: of the network in `checkpoint`; None where no score says so, and it is the last one.
    """

    checkpoint: Path
    miou: float | None
    step: int
    interrupted: bool


def train(job: Job, observer: Observer, *, on_begin: Callable[[], None] = lambda: None) -> TrainingResult:
    """Train to the end of the recipe or of the time budget.

    on_begin: called before the first step, when nothing is left to refuse the run for.

    The best network by val mIoU is kept in best.pt, all state in last.pt, the curve in log.csv and run.json.
    Ctrl-C and SIGTERM end the run after the step under way, with these files written.
    Raises OutputError if the folder holds a run already, UsageError for a precision or a time budget that this
    machine cannot keep, TrainingError if the run cannot be resumed, its loss is no longer finite, or memory does not
    suffice (the checkpoints of the last evaluation stay).
    """
    with stop_requested() as stop:
        try:
            run = Run(job)
            on_begin()
            _train(run, observer, stop)
        except (MemoryError, RuntimeError) as error:
            known = explained(error)
            if known is None:
                raise
            raise known from error
        run.close()
    return TrainingResult(job.folder / BEST, run.best, run.step, not run.ended)


def _train(run: Run, observer: Observer, stop: threading.Event) -> None:
    for frames, masks in run.batches():
        begin = time.perf_counter()
        loss = run.step_on(frames, masks)
        rate = run.job.recipe.batch / (time.perf_counter() - begin)
        observer.on_step(run.position, run.length.total, loss, rate)
        if run.is_due:
            scores, best = run.evaluate()
            observer.on_evaluation(run.step, scores, best=best)
        if distributed.anywhere(stop.is_set()):
            run.save()
            return
        if run.ended:
            return
