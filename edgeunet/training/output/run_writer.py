"""Writes the files of a run, in rank 0 only; the other processes write nothing."""

from __future__ import annotations

from edgeunet.network.checkpoint import load_model, save_checkpoint
from edgeunet.training.output.log import RunLog
from edgeunet.training.output.run_folder import BEST, LAST, LOG, RECORD, outputs, require_free
from edgeunet.training.output.run_record import run_record
from edgeunet.training.output.training_state import TrainingState
from edgeunet.training.processes import distributed
from edgeunet.training.progress import TrainingProgress
from edgeunet.training.qat.fake_quantised import FakeQuantised
from edgeunet.training.qat.learnt_ranges import save_quantised
from edgeunet.training.training_job import TrainingJob
from edgeunet.utils.files import write_json


class RunWriter:
    """Saves a state and its progress. saved_step: the one that is in last.pt, None before there is any."""

    def __init__(self, job: TrainingJob, state: TrainingState, progress: TrainingProgress, precision: str) -> None:
        """Takes the state and the progress from last.pt if the job resumes a run; writes nothing yet."""
        self._job, self._state, self._progress, self._precision = job, state, progress, precision
        self._best, self._last = job.folder / BEST, job.folder / LAST
        self._log: RunLog | None = None
        self.saved_step: int | None = None
        if job.resume:
            state.restore(self._last, job, progress)
            self.saved_step = progress.step
            if distributed.first(float(self._best.exists())):
                load_model(self._best)  # raises if the content does not fit the name
            else:  # best.pt was removed: the current network becomes the best one
                progress.best = None
                self.save_best()

    def open(self) -> None:
        """Clear the folder for a new run, and open the log."""
        if distributed.rank() > 0:
            return
        folder = self._job.folder
        if not self._job.resume:
            require_free(folder, force=self._job.force)
            for path in outputs(folder):
                path.unlink()
        self._log = RunLog(folder / LOG)

    def save_best(self) -> None:
        """Write the averaged network, and its ranges if it is fake-quantised."""
        if distributed.rank() > 0:
            return
        average = self._state.average.net
        if isinstance(average, FakeQuantised):
            save_quantised(self._best, average, self._job.spec, len(self._job.train))
        else:
            save_checkpoint(self._best, average, self._job.spec)

    def save(self) -> None:
        """Save the whole state and the record; also the current network if none was evaluated yet.

        A step is saved only once.
        """
        saved, self.saved_step = self.saved_step, self._progress.step
        if distributed.rank() > 0 or saved == self.saved_step:
            return
        self._state.save(self._last, self._job, self._progress)
        if not self._best.exists():
            self.save_best()
        self._save_record(finished=False)

    def write_log(self) -> None:
        if self._log is not None:
            self._log.write(self._progress.rows)

    def close(self) -> None:
        """Write the values that are known only at the end; every process waits until they are written."""
        if self._log is not None:
            self._save_record(finished=self._progress.ended)
            self._log.close()
        distributed.barrier()

    @property
    def kept(self) -> str:
        """The files that a failed run leaves, for a message."""
        if self.saved_step is None:
            return "no checkpoint was written yet"
        return f"{self._last} keeps the state of step {self.saved_step}"

    def _save_record(self, *, finished: bool) -> None:
        value = run_record(
            self._job,
            precision=self._precision,
            parameters=sum(p.numel() for p in self._state.net.parameters()),
            seconds=self._progress.now(),
            step=self._progress.step,
            rows=self._progress.rows,
            finished=finished,
        )
        write_json(self._job.folder / RECORD, value, force=True)
