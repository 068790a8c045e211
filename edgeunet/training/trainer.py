"""The trainer: one step, one evaluation, and the message about a failed step."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from edgeunet.errors import TrainingError
from edgeunet.evaluation.metrics import Confusion, Scores, scores_of
from edgeunet.network.torch_segmenter import TorchSegmenter
from edgeunet.network.unet import NormalisedUNet
from edgeunet.training.batches import make_crops, make_loader
from edgeunet.training.faults import is_out_of_memory, some_names
from edgeunet.training.hardware import DTYPES, trained_precision
from edgeunet.training.losses import class_weights, make_loss
from edgeunet.training.output.run_writer import RunWriter
from edgeunet.training.output.training_state import TrainingState
from edgeunet.training.processes import distributed
from edgeunet.training.progress import Length, Steps, TimeBudget, TrainingProgress
from edgeunet.training.start.frozen_encoder import FrozenEncoder
from edgeunet.training.training_job import TrainingJob


class Trainer:
    """Trains in each process of a run: all hold the same state, and rank 0 writes it.

    progress: how far the run is. writer: of its files.
    """

    def __init__(self, job: TrainingJob) -> None:
        self.job = job
        self._device = distributed.device()
        self._precision = trained_precision(job.precision, self._device)
        self._state = TrainingState(job, self._device, self._precision)
        self._model = NormalisedUNet(self._state.net, job.spec).to(self._device).train()
        weights = class_weights(job.train.facts.pixels(len(job.spec.classes))) if job.recipe.balance else None
        self._loss = make_loss(job.recipe.loss, None if weights is None else weights.to(self._device))
        self.progress = TrainingProgress(job.began)
        self.writer = RunWriter(job, self._state, self.progress, self._precision)
        self._segmenter = TorchSegmenter(self._state.average.net, job.spec, self._device)
        self.progress.length = self._length()
        self.progress.move_to(self.progress.seconds)
        self._encoder = FrozenEncoder(self._state.net, job.kept)
        self._hold_encoder()
        self._forward = self._wrapped()
        self._crops, self._coarse_crops = make_crops(job), make_crops(job, 0.5)
        self.writer.open()

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's parts of the batches from the current step on, prepared by the workers, until the run ends."""
        while not self.progress.ended:
            coarse = self._is_coarse
            crops = self._coarse_crops if coarse else self._crops
            for batch in make_loader(self.job, crops, self.progress.step, pinned=self._device.type == "cuda"):
                yield batch
                if self._is_coarse != coarse:
                    break

    def train_step(self, frames: Tensor, masks: Tensor) -> float:
        """One optimiser step on this process's part: uint8 frames [N, H, W, channels] and masks [N, H, W].

        Returns the mean of all processes' losses; the time becomes rank 0's.
        Raises TrainingError if the loss is no longer finite, or if the batch is too large for the memory.
        """
        if self._hold_encoder():
            self._forward = self._wrapped()
        try:
            own_loss = self._optimize(frames, masks)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            own_loss = None
        if own_loss is None:  # here nothing refers to the step's tensors any more
            raise TrainingError(self._too_large(frames, masks))
        now = self.progress.now() if distributed.rank() == 0 else 0.0
        losses, seconds = distributed.summed(torch.tensor([own_loss, now], dtype=torch.float64)).tolist()
        loss = float(losses / distributed.size())
        self.progress.losses.append(loss)
        self.progress.move_to(seconds)
        return loss

    def evaluate(self) -> tuple[Scores, bool]:
        """Score the averaged network on val, log it and save it; returns the scores, and whether it is the best.

        Without val there are no scores, and the newest is.
        """
        progress, begin = self.progress, self.progress.now()
        spec, val = self.job.spec, self.job.val
        confusion = Confusion(len(spec.classes))
        for sample in val.at(range(distributed.rank(), len(val), distributed.size())) if val else ():
            confusion.add(sample.mask, self._segmenter.segment(sample.frame))
        scores = scores_of(distributed.summed(torch.from_numpy(confusion.counts)).numpy())
        best = progress.add_scores(scores, spec.names)
        if best:
            self.writer.save_best()
        self.writer.write_log()
        self.writer.save()
        took_s, seconds = distributed.first(progress.now() - begin), distributed.first(progress.now())
        progress.length.evaluated(seconds, took_s)
        progress.move_to(seconds)
        return scores, best

    def _optimize(self, frames: Tensor, masks: Tensor) -> float:
        optimizer, scaler = self._state.optimizer, self._state.scaler
        for group in optimizer.param_groups:
            rate = self.job.recipe.lr_at(self.progress.position, self.progress.length.total)
            group["lr"] = group.get("share", 1.0) * rate
        frames, masks = frames.to(self._device, non_blocking=True), masks.to(self._device, non_blocking=True)
        with torch.autocast(self._device.type, DTYPES[self._precision], enabled=self._precision != "fp32"):
            logits = self._forward(frames)
        loss = self._loss(logits, masks)
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._encoder.drop_gradients()
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(self._model.parameters(), 5.0)
        value, gradient_norm = torch.stack([loss.detach(), norm]).tolist()
        # The scaler handles a gradient that overflows fp16: it skips the step and lowers the scale.
        if not np.isfinite(value) or not (np.isfinite(gradient_norm) or scaler.is_enabled()):
            raise TrainingError(self._not_finite(value))
        scaler.step(optimizer)
        scaler.update()
        self.progress.step += 1
        self._state.average.update(self._state.net, self.progress.step)
        return float(value)

    @property
    def _is_coarse(self) -> bool:
        # Not the first step: it shows at once whether whole crops fit into the memory, and not after half the run.
        return 0 < self.progress.position < self.job.recipe.coarse * self.progress.length.total

    def _hold_encoder(self) -> bool:
        """Freeze a trained encoder, or let it learn; returns whether that has changed, and with it what is wrapped."""
        frozen = self.progress.position < self.job.recipe.freeze_encoder * self.progress.length.total
        # The first step computes all gradients: it shows whether there is memory for them.
        return self._encoder.freeze(frozen=frozen, gradients=not frozen or self.progress.step == 0)

    def _wrapped(self) -> Callable[[Tensor], Tensor]:
        """The model that the steps call; it shares parameters and names with the state's network."""
        forward: nn.Module = self._model
        if distributed.size() > 1:
            forward = DistributedDataParallel(self._model)
        return torch.compile(forward) if self.job.compiled else forward

    def _length(self) -> Length:
        job = self.job
        if job.time_budget_s is None:
            return Steps(job.steps, job.recipe.evaluations)
        seconds = 0.0
        for sample in [job.val[0]] * 2 if job.val else []:  # the first time also allocates and chooses algorithms
            begin = self.progress.now()
            self._segmenter.segment(sample.frame)
            seconds = self.progress.now() - begin
        frames = -(-len(job.val or ()) // distributed.size())
        estimate = distributed.first(frames * seconds)
        return TimeBudget(job.time_budget_s, job.recipe.evaluations, estimate, self.progress.seconds)

    def _not_finite(self, loss: float) -> str:
        step = self.progress.step
        names = [self._crops.sample(k).name for k in self.job.crop_numbers(step)]
        what = "gradient is no longer finite" if np.isfinite(loss) else f"loss became {loss}"
        return (
            f"the {what} at step {step + 1}, on crops of {some_names(names)}: lower the learning rate "
            f"(--lr, now {self.job.recipe.lr:g}) or look at these samples; {self.writer.kept}"
        )

    def _too_large(self, frames: Tensor, masks: Tensor) -> str:
        """The message for a batch that does not fit, with a smaller one that does, found by trying."""
        batch, kept = self.job.recipe.batch, self.writer.kept  # the trial changes the weights
        found = f"a batch of {batch} does not fit into the memory of the {self._device.type.upper()}"
        if distributed.size() > 1:  # the other processes wait in the middle of the step
            return f"{found} with the other processes: try --batch {batch // 2}; {kept}"
        largest, size = 0, 1
        while size < batch and self._fits(frames[:size], masks[:size]):
            largest, size = size, 2 * size
        if largest == 0:
            return f"{found}, nor does a single crop: give a smaller --size or --model; {kept}"
        return f"{found}; one of {largest} does: --batch {largest}; {kept}"

    def _fits(self, frames: Tensor, masks: Tensor) -> bool:
        self._state.optimizer.zero_grad(set_to_none=True)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        try:
            self._optimize(frames, masks)
        except (MemoryError, RuntimeError):
            return False
        return True
