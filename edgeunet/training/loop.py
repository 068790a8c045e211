"""The training loop: steps, evaluations, checkpoints; an interrupted run goes on to the identical result."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from edgeunet.data.crops import Crops
from edgeunet.data.folder import Sample
from edgeunet.errors import OutputError, TrainingError
from edgeunet.evaluation import evaluate
from edgeunet.metrics import Scores
from edgeunet.model import Segmenter, UNet, UNetConfig
from edgeunet.spec import ModelSpec
from edgeunet.training.checkpoint import read_checkpoint, save_checkpoint
from edgeunet.training.ema import MovingAverage
from edgeunet.training.log import LOG, RunLog
from edgeunet.training.losses import class_weights, make_loss
from edgeunet.training.precision import bf16_pays
from edgeunet.training.recipe import Recipe
from edgeunet.training.segment import TorchSegmenter

BEST, LAST = "best.pt", "last.pt"


class Observer(Protocol):
    """Is told how the run goes, and shows it."""

    def on_step(self, step: int, steps: int, loss: float, images_per_s: float) -> None: ...
    def on_evaluation(self, step: int, scores: Scores, *, best: bool) -> None: ...


@dataclass(frozen=True)
class Job:
    """What to train: on what, into which folder.

    resume: go on with the run in `folder`. workers: processes that prepare crops; 0 prepares them here.
    """

    train: Sequence[Sample]
    val: Sequence[Sample]
    config: UNetConfig
    spec: ModelSpec
    recipe: Recipe
    folder: Path
    resume: bool = False
    force: bool = False
    workers: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a run ended. interrupted: it stopped early and can be resumed."""

    checkpoint: Path
    miou: float
    step: int
    interrupted: bool


def train(job: Job, observer: Observer) -> Outcome:
    """Train until the recipe's last step, keeping the best network by val mIoU in best.pt and all state in last.pt.

    Ctrl-C ends the run after the step under way, with both files written.
    Raises OutputError if the folder holds a run already, TrainingError if the run cannot be resumed
    or its loss is no longer finite (the checkpoints of the last evaluation stay).
    """
    run = _Run(job)
    steps = job.recipe.steps(len(job.train))
    every = math.ceil(steps / job.recipe.evaluations)
    with _interrupt() as interrupted:
        for crops, masks in run.batches(steps):
            begin = time.perf_counter()
            loss = run.step_on(crops, masks, steps)
            observer.on_step(run.step, steps, loss, len(crops) / (time.perf_counter() - begin))
            if run.step % every == 0 or run.step == steps:
                run.evaluate(observer)
            elif interrupted.is_set():
                run.save()
            if interrupted.is_set():
                break
    run.log.close()
    return Outcome(job.folder / BEST, run.best, run.step, run.step < steps)


class _Run:
    """The state of a run between two steps."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.bf16 = bf16_pays(self.device)
        torch.manual_seed(job.recipe.seed)
        net = UNet(job.config).to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model = Segmenter(net, job.spec).to(self.device).train()
        self.average = MovingAverage(net, job.recipe.ema)
        self.optimizer = _optimizer(net, job.recipe)
        weights = class_weights(job.train, len(job.spec.classes)) if job.recipe.balance else None
        self.loss = make_loss(job.recipe.loss, None if weights is None else weights.to(self.device))
        self.step, self.best = 0, -1.0
        self.losses: list[float] = []
        rows = self._restore() if job.resume else []
        if not job.resume:
            require_free(job.folder, force=job.force)
            for path in _outputs(job.folder):
                path.unlink()
        self.log = RunLog(job.folder, rows)

    def batches(self, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches from the current step to the last, prepared by the workers."""
        job, recipe = self.job, self.job.recipe
        height, width = (max(32, round(recipe.crop * side)) for side in job.spec.input_size)
        crops = Crops(
            job.train, job.spec, (height, width), recipe.augmentation, count=steps * recipe.batch, seed=recipe.seed
        )
        rest = Subset(crops, range(self.step * recipe.batch, len(crops)))
        loader: DataLoader[tuple[Tensor, Tensor]] = DataLoader(
            rest,
            recipe.batch,
            num_workers=job.workers,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=_start_worker,
        )
        yield from loader

    def step_on(self, frames: Tensor, masks: Tensor, steps: int) -> float:
        """One optimiser step on uint8 frames [N, H, W, 3] and masks [N, H, W]; gives the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.job.recipe.lr_at(self.step, steps)
        frames, masks = frames.to(self.device, non_blocking=True), masks.to(self.device, non_blocking=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.model(frames)
        loss = self.loss(logits, masks)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise TrainingError(
                f"the loss became {value} at step {self.step + 1}: lower the learning rate "
                f"(--lr, now {self.job.recipe.lr:g}); {self.job.folder} keeps the last evaluated network"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.step()
        self.step += 1
        self.average.update(self.model.net, self.step)
        self.losses.append(value)
        return value

    def evaluate(self, observer: Observer) -> None:
        """Score the averaged network on val, log it, and save it."""
        spec = self.job.spec
        segmenter = TorchSegmenter(self.average.net, spec, self.device)
        scores = evaluate(segmenter.segment, self.job.val, len(spec.classes))
        row = {"step": self.step, "loss": float(np.mean(self.losses)), "miou": scores.miou, "accuracy": scores.accuracy}
        row |= {f"iou_{name}": value for name, value in zip(spec.names, scores.iou, strict=True)}
        self.log.add(row)
        self.losses.clear()
        best = scores.miou > self.best
        if best:
            self.best = scores.miou
            save_checkpoint(self.job.folder / BEST, self.average.net, spec)
        self.save()
        observer.on_evaluation(self.step, scores, best=best)

    def save(self) -> None:
        """Save all state, and the network as it is where none was evaluated yet."""
        save_checkpoint(self.job.folder / LAST, self.average.net, self.job.spec, run=self._state())
        if not (self.job.folder / BEST).exists():
            save_checkpoint(self.job.folder / BEST, self.average.net, self.job.spec)

    def _state(self) -> dict[str, Any]:
        return {
            "settings": _settings(self.job),
            "net": self.model.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "best": self.best,
            "losses": self.losses,
            "rows": self.log.rows,
        }

    def _restore(self) -> list[dict[str, float]]:
        value = read_checkpoint(self.job.folder / LAST)
        state: dict[str, Any] = value["run"]
        now = _settings(self.job)
        changed = [
            f"{key} {state['settings'].get(key)} → {now[key]}" for key in now if state["settings"].get(key) != now[key]
        ]
        if changed:
            raise TrainingError(
                f"{self.job.folder} was trained with other settings ({'; '.join(changed)}): "
                "resume with the same ones, or start a new run in another folder"
            )
        self.model.net.load_state_dict(state["net"])
        self.average.net.load_state_dict(value["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.best, self.losses = state["step"], state["best"], list(state["losses"])
        return list(state["rows"])


def _settings(job: Job) -> dict[str, str]:
    """What must be the same for a resumed run to reach the same result, as text."""
    fields = asdict(job.recipe) | asdict(job.config)
    fields |= {"size": job.spec.input_size, "fit": job.spec.fit, "data": job.spec.provenance.dataset_sha256[:12]}
    return {key: str(value) for key, value in fields.items()}


def _optimizer(net: UNet, recipe: Recipe) -> torch.optim.Optimizer:
    # Decay is for the convolutions' weights; batch norm and biases have one dimension.
    decayed = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=0.9, nesterov=True)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=recipe.lr)


def _start_worker(_: int) -> None:
    """A terminal sends Ctrl-C to every process; only the one that writes the checkpoint may act on it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def require_free(folder: Path, *, force: bool) -> None:
    """Raise OutputError if a run is in the folder already and `force` is false."""
    if _outputs(folder) and not force:
        raise OutputError(f"{folder} holds a run already: --resume goes on with it, --force starts again")


def _outputs(folder: Path) -> list[Path]:
    return [folder / name for name in (BEST, LAST, LOG) if (folder / name).exists()]


@contextmanager
def _interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets instead of stopping in the middle of a step; the second stops at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.getsignal(signal.SIGINT)

    def on_interrupt(*_: object) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
