"""train(): steps, evaluations and checkpoints until the run ends. A resumed run reaches the identical result."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgeunet.evaluation.metrics import Scores
from edgeunet.training.faults import explained
from edgeunet.training.output.run_folder import BEST
from edgeunet.training.processes import distributed
from edgeunet.training.processes.signals import stop_requested
from edgeunet.training.trainer import Trainer
from edgeunet.training.training_job import TrainingJob


class Observer(Protocol):
    """Shows the progress of a run. position: of `total`, in steps or in milliseconds of a time budget."""

    def on_step(self, position: int, total: int, loss: float, images_per_s: float) -> None: ...
    def on_evaluation(self, step: int, scores: Scores, *, best: bool) -> None: ...


@dataclass(frozen=True)
class TrainingResult:
    """The result of a run. interrupted: it stopped early and can be resumed.

    miou: of the network in `checkpoint`; None if there is no score, then it is the last network.
    """

    checkpoint: Path
    miou: float | None
    step: int
    interrupted: bool


def train(job: TrainingJob, observer: Observer, *, on_begin: Callable[[], None] = lambda: None) -> TrainingResult:
    """Train to the end of the recipe or of the time budget.

    on_begin: called before the first step, after all checks.

    The best network by val mIoU is kept in best.pt, all state in last.pt, the curve in log.csv and run.json.
    Ctrl-C and SIGTERM end the run after the current step, with these files written.
    Raises OutputError if the folder holds a run already, UsageError for a precision or a time budget that this
    machine cannot keep, TrainingError if the run cannot be resumed, its loss is no longer finite, or memory runs out
    (the checkpoints of the last evaluation stay).
    """
    with stop_requested() as stop:
        try:
            trainer = Trainer(job)
            on_begin()
            _train(trainer, observer, stop)
        except (MemoryError, RuntimeError) as error:
            known = explained(error)
            if known is None:
                raise
            raise known from error
        trainer.writer.close()
    progress = trainer.progress
    return TrainingResult(job.folder / BEST, progress.best, progress.step, not progress.ended)


def _train(trainer: Trainer, observer: Observer, stop: threading.Event) -> None:
    progress = trainer.progress
    for frames, masks in trainer.batches():
        begin = time.perf_counter()
        loss = trainer.train_step(frames, masks)
        rate = trainer.job.recipe.batch / (time.perf_counter() - begin)
        observer.on_step(progress.position, progress.length.total, loss, rate)
        if progress.evaluation_is_due:
            scores, best = trainer.evaluate()
            observer.on_evaluation(progress.step, scores, best=best)
        if distributed.anywhere(stop.is_set()):
            trainer.writer.save()
            return
        if progress.ended:
            return
