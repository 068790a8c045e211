"""The state of a run between two steps, and what a step, an evaluation and a checkpoint do with it."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from edgeunet.errors import ModelFileError, TrainingError
from edgeunet.evaluation.metrics import Confusion, Scores, scores_of
from edgeunet.network.checkpoint import load_model, read_checkpoint, save_checkpoint
from edgeunet.network.torch_segmenter import TorchSegmenter
from edgeunet.network.unet import NormalisedUNet, UNet
from edgeunet.training.batches import make_crops, make_loader
from edgeunet.training.budget import Length, Steps, TimeBudget
from edgeunet.training.faults import is_out_of_memory, some_names
from edgeunet.training.hardware import DTYPES, trained_precision
from edgeunet.training.job import Job
from edgeunet.training.losses import class_weights, make_loss
from edgeunet.training.optimizer import MovingAverage, make_optimizer
from edgeunet.training.output.log import Row, RunLog
from edgeunet.training.output.run_folder import BEST, LAST, LOG, RECORD, outputs, require_free
from edgeunet.training.output.run_record import run_record
from edgeunet.training.output.state import TrainingState, load_network, load_optimizer
from edgeunet.training.processes import distributed
from edgeunet.training.processes.batchnorm import synchronized
from edgeunet.training.qat.network import FakeQuantised
from edgeunet.training.qat.ranges import save_quantised
from edgeunet.utils.files import write_json

_COLUMNS = ("step", "loss", "miou", "accuracy")
"""Of the log, before the IoU of each class."""


class Run:
    """A run in the process that trains, or in each of several: all hold the same state, and rank 0 writes it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.device = distributed.device()
        self.precision = trained_precision(job.precision, self.device)
        torch.manual_seed(job.recipe.seed)
        net = UNet(job.config) if job.start is None else copy.deepcopy(job.start)
        net = net.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = MovingAverage(net, job.recipe.ema)
        if distributed.size() > 1:
            synchronized(net, self.device)
        self.model = NormalisedUNet(net, job.spec).to(self.device).train()
        self.optimizer = make_optimizer(net, job.recipe)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")
        weights = class_weights(job.train, len(job.spec.classes)) if job.recipe.balance else None
        self.loss = make_loss(job.recipe.loss, None if weights is None else weights.to(self.device))
        self.step, self.seconds = 0, 0.0
        self.best: float | None = None
        self.losses: list[float] = []
        self.rows: list[Row] = []
        self._saved: int | None = None  # step that is in last.pt
        if job.resume:
            self._restore()
        self._began = job.began - self.seconds
        self._forward = self._wrapped()
        self._segmenter = TorchSegmenter(self.average.net, job.spec, self.device)
        self.length = self._length()
        self.ended = self.position >= self.length.total
        self._crops, self._coarse_crops = make_crops(job), make_crops(job, 0.5)
        self._log = self._prepare_folder() if distributed.rank() == 0 else None

    @property
    def position(self) -> int:
        """How far the run is, out of length.total."""
        return self.length.position(self.step, self.seconds)

    @property
    def is_due(self) -> bool:
        """Whether the network is to be evaluated now."""
        return self.length.is_due(self.step, self.seconds)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's parts of the batches from the current step on, prepared by the workers, until it ends."""
        while not self.ended:
            coarse = self._is_coarse
            crops = self._coarse_crops if coarse else self._crops
            for batch in make_loader(self.job, crops, self.step, pinned=self.device.type == "cuda"):
                yield batch
                if self._is_coarse != coarse:
                    break

    def step_on(self, frames: Tensor, masks: Tensor) -> float:
        """One optimiser step on this process's part: uint8 frames [N, H, W, 3] and masks [N, H, W].

        Gives the mean of all processes' losses; the time becomes rank 0's.
        Raises TrainingError if the loss is no longer finite, or if the batch is too large for the memory.
        """
        try:
            own_loss = self._optimize(frames, masks)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            own_loss = None
        if own_loss is None:  # out here nothing refers to the step's tensors any more
            raise TrainingError(self._too_large(frames, masks))
        now = self._now() if distributed.rank() == 0 else 0.0
        loss, self.seconds = distributed.summed(torch.tensor([own_loss, now], dtype=torch.float64)).tolist()
        self.losses.append(loss / distributed.size())
        self.ended = self.position >= self.length.total
        return self.losses[-1]

    def evaluate(self) -> tuple[Scores, bool]:
        """Score the averaged network on val, log it and save it; gives the scores, and whether it is kept in best.pt.

        Where no pixel of val counts there is no score, and the last network is kept.
        """
        begin = self._now()
        spec, val = self.job.spec, self.job.val
        confusion = Confusion(len(spec.classes))
        for index in range(distributed.rank(), len(val), distributed.size()):
            sample = val[index]
            confusion.add(sample.mask, self._segmenter.segment(sample.frame))
        scores = scores_of(distributed.summed(torch.from_numpy(confusion.counts)).numpy())
        figures = (self.step, float(np.mean(self.losses)), scores.miou, scores.accuracy)
        row = dict(zip(_COLUMNS, figures, strict=True))
        self.rows.append(row | {f"iou_{name}": value for name, value in zip(spec.names, scores.iou, strict=True)})
        self.losses.clear()
        scored = not np.isnan(scores.miou)
        best = self.best is None or (scored and scores.miou > self.best)
        if best:
            self.best = scores.miou if scored else None
            self._save_network()
        if self._log is not None:
            self._log.write(self.rows)
        self.save()
        took_s, self.seconds = distributed.first(self._now() - begin), distributed.first(self._now())
        self.length.evaluated(self.seconds, took_s)
        self.ended = self.ended or self.position >= self.length.total
        return scores, best

    def save(self) -> None:
        """Save all state, the record, and the network as it is where none was evaluated yet; once for each step."""
        saved, self._saved = self._saved, self.step
        if distributed.rank() > 0 or saved == self.step:
            return
        average = self.average.net
        net = average.plain() if isinstance(average, FakeQuantised) else average
        save_checkpoint(self.job.folder / LAST, net, self.job.spec, run=self._state())
        if not (self.job.folder / BEST).exists():
            self._save_network()
        self._record(finished=False)

    def close(self) -> None:
        """Write what is only known at the end; afterwards every process knows that it is written."""
        if self._log is not None:
            self._record(finished=self.ended)
            self._log.close()
        distributed.barrier()

    def _optimize(self, frames: Tensor, masks: Tensor) -> float:
        for group in self.optimizer.param_groups:
            group["lr"] = self.job.recipe.lr_at(self.position, self.length.total)
        frames, masks = frames.to(self.device, non_blocking=True), masks.to(self.device, non_blocking=True)
        with torch.autocast(self.device.type, DTYPES[self.precision], enabled=self.precision != "fp32"):
            logits = self._forward(frames)
        loss = self.loss(logits, masks)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        value, steepness = torch.stack([loss.detach(), norm]).tolist()
        # A gradient that overflows fp16 is the scaler's to deal with: it leaves the step out and scales less.
        if not np.isfinite(value) or not (np.isfinite(steepness) or self.scaler.is_enabled()):
            raise TrainingError(self._not_finite(value))
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.step += 1
        self.average.update(self.model.net, self.step)
        return float(value)

    @property
    def _is_coarse(self) -> bool:
        # Not the first step: whether whole crops fit into the memory is to show now, and not after half the run.
        return 0 < self.position < self.job.recipe.coarse * self.length.total

    def _wrapped(self) -> Callable[[Tensor], Tensor]:
        """The model as steps call it; its parameters and their names stay those of self.model."""
        forward: nn.Module = self.model
        if distributed.size() > 1:
            forward = DistributedDataParallel(self.model)
        return torch.compile(forward) if self.job.compiled else forward

    def _length(self) -> Length:
        job = self.job
        if job.time_budget_s is None:
            return Steps(job.steps, job.recipe.evaluations)
        frames = -(-len(job.val) // distributed.size())
        seconds = []
        for _ in range(2):  # the first one also allocates and chooses algorithms
            begin = self._now()
            self._segmenter.segment(job.val[0].frame)
            seconds.append(self._now() - begin)
        estimate = distributed.first(frames * seconds[-1])
        return TimeBudget(job.time_budget_s, job.recipe.evaluations, estimate, self.seconds)

    def _now(self) -> float:
        """Seconds that the run has had, with those before an interruption."""
        return time.monotonic() - self._began

    def _not_finite(self, loss: float) -> str:
        names = [self._crops.sample(k).name for k in self.job.crop_numbers(self.step)]
        what = "gradient is no longer finite" if np.isfinite(loss) else f"loss became {loss}"
        return (
            f"the {what} at step {self.step + 1}, on crops of {some_names(names)}: lower the learning rate "
            f"(--lr, now {self.job.recipe.lr:g}) or look at these samples; {self._kept()}"
        )

    def _too_large(self, frames: Tensor, masks: Tensor) -> str:
        """What to say to a batch that does not fit: a smaller one that does, found by trying. Spoils the weights."""
        batch, kept = self.job.recipe.batch, self._kept()
        found = f"a batch of {batch} does not fit into the memory of the {self.device.type.upper()}"
        if distributed.size() > 1:  # the other processes wait in the middle of the step
            return f"{found} beside the other processes: try --batch {batch // 2}; {kept}"
        fitting, size = 0, 1
        while size < batch and self._fits(frames[:size], masks[:size]):
            fitting, size = size, 2 * size
        if fitting == 0:
            return f"{found}, nor does a single crop: give a smaller --size or --model; {kept}"
        return f"{found}; one of {fitting} does: --batch {fitting}; {kept}"

    def _fits(self, frames: Tensor, masks: Tensor) -> bool:
        self.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            self._optimize(frames, masks)
        except (MemoryError, RuntimeError):
            return False
        return True

    def _kept(self) -> str:
        if self._saved is None:
            return "no checkpoint was written yet"
        return f"{self.job.folder / LAST} keeps the state of step {self._saved}"

    def _prepare_folder(self) -> RunLog:
        folder = self.job.folder
        if not self.job.resume:
            require_free(folder, force=self.job.force)
            for path in outputs(folder):
                path.unlink()
        return RunLog(folder / LOG)

    def _save_network(self) -> None:
        if distributed.rank() > 0:
            return
        path, average = self.job.folder / BEST, self.average.net
        if isinstance(average, FakeQuantised):
            save_quantised(path, average, self.job.spec, len(self.job.train))
        else:
            save_checkpoint(path, average, self.job.spec)

    def _record(self, *, finished: bool) -> None:
        value = run_record(
            self.job,
            precision=self.precision,
            parameters=sum(p.numel() for p in self.model.parameters()),
            seconds=self._now(),
            step=self.step,
            rows=self.rows,
            finished=finished,
        )
        write_json(self.job.folder / RECORD, value, force=True)

    def _state(self) -> dict[str, Any]:
        return {
            "settings": self.job.settings(),
            "net": self.model.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "seconds": self._now(),
            "best": self.best,
            "losses": self.losses,
            "rows": self.rows,
            "learnt": self.average.net.learnt() if isinstance(self.average.net, FakeQuantised) else {},
        }

    def _restore(self) -> None:
        path = self.job.folder / LAST
        origin, value = str(path), read_checkpoint(path)
        state = TrainingState.of(value["run"], origin)
        self.job.require_settings(state.settings)
        load_network(self.model.net, state.net, origin)
        averaged = value["model"] if isinstance(value["model"], dict) else {}
        load_network(self.average.net, averaged | state.learnt, origin)
        load_optimizer(self.optimizer, state.optimizer, origin)
        columns = [*_COLUMNS, *(f"iou_{name}" for name in self.job.spec.names)]
        if any(list(row) != columns for row in state.rows):
            raise ModelFileError(f"{path} cannot be resumed from (its log has other columns): start again with --force")
        if self.scaler.is_enabled():
            if state.scaler.keys() != self.scaler.state_dict().keys():
                raise ModelFileError(f"{path} cannot be resumed from (it is not of fp16): start again with --force")
            self.scaler.load_state_dict(state.scaler)
        self.step, self.seconds = state.step, state.seconds
        # Before there was a score, earlier versions wrote -1.
        self.best = None if state.best is None or not state.best >= 0 else state.best
        self.losses, self.rows = list(state.losses), list(state.rows)
        self._saved = self.step
        if distributed.first(float((self.job.folder / BEST).exists())):
            load_model(self.job.folder / BEST)  # raises for a file that is not what it is called
        else:  # somebody took it away: what is the best is told anew, from the network as it is
            self.best = None
            self._save_network()
