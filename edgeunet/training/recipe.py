"""Recipes: how a network is trained, as named values in code."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from edgeunet.data.cropping.augment import Augmentation
from edgeunet.errors import UsageError
from edgeunet.training.losses import LossName
from edgeunet.utils.limits import SEED, require_in

MOST_STEPS = 10**9
Optimizer = Literal["sgd", "adam", "adamw"]
Schedule = Literal["cosine", "onecycle"]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what is learnt, except the data and the network.

    The run lasts `epochs` passes over the data, and at least `min_steps` steps of `batch` crops: few
    frames need more passes than many.
    crop: (height, width) of a training crop as a share of the input size.
    coarse: share of the run, at its start, that trains at half the size, which takes a quarter of the time.
    ema: decay of the moving average of the weights; the average is evaluated and kept.
    freeze_encoder: share of the run, at its start, in which a trained encoder does not change. kept_lr: the learning
    rate of trained layers, as a share of that of new ones. Both are for a network that is not all new.
    """

    epochs: int
    min_steps: int
    batch: int = 8
    crop: float = 1.0
    coarse: float = 0.0
    optimizer: Optimizer = "adamw"
    lr: float = 4e-3
    weight_decay: float = 1e-2
    schedule: Schedule = "onecycle"
    warmup: float = 0.1  # share of the steps
    loss: LossName = "ce+dice"
    balance: bool = True  # weigh rare classes up
    ema: float = 0.99
    evaluations: int = 20  # during the run
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0
    freeze_encoder: float = 0.0
    kept_lr: float = 1.0

    def __post_init__(self) -> None:
        for option, value, least, most in (
            ("epochs", self.epochs, 0, MOST_STEPS),
            ("--steps", self.min_steps, 0, MOST_STEPS),
            ("--batch", self.batch, 1, 65_536),
            ("--seed", self.seed, 0, SEED),
            ("evaluations", self.evaluations, 1, MOST_STEPS),
        ):
            require_in(option, value, least, most)
        if self.epochs == 0 and self.min_steps == 0:
            raise UsageError("no steps to train: give epochs or --steps above 0")
        require_in("--lr, the learning rate,", self.lr, 0, 1e300, above=True)
        if not (0 <= self.ema < 1 and 0 <= self.warmup < 1 and 0 <= self.coarse <= 1 and 0 < self.crop <= 1):
            raise UsageError("ema, warmup and coarse are shares from 0 to 1, crop a share above 0")
        require_in("--freeze-encoder, a share of the run,", self.freeze_encoder, 0, 1)
        require_in("kept_lr", self.kept_lr, 0, 1, above=True)

    def for_trained_layers(self) -> Recipe:
        """The recipe that starts from trained layers: new ones must not spoil them while they know nothing."""
        return replace(self, freeze_encoder=0.2, kept_lr=0.3)

    def steps(self, samples: int) -> int:
        """Optimiser steps of the whole run on that many samples."""
        return max(self.min_steps, math.ceil(self.epochs * samples / self.batch))

    def lr_at(self, step: int, steps: int) -> float:
        """Learning rate of one step.

        cosine: linear warm-up, then half a cosine down to zero (Loshchilov and Hutter,
        arXiv:1608.03983). onecycle: cosine up from lr/25, then cosine down to lr/10⁴ (Smith and
        Topin, arXiv:1708.07120).
        """
        warm = max(1, round(self.warmup * steps))
        down = 0.5 * (1 + math.cos(math.pi * max(0, step - warm) / max(1, steps - warm)))
        if self.schedule == "cosine":
            return self.lr * (min(1.0, (step + 1) / warm) if step < warm else down)
        if step < warm:
            return self.lr * (0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * step / warm)))
        return self.lr * (1e-4 + (1 - 1e-4) * down)


RECIPES: dict[str, Recipe] = {
    # Small scales show the network letterbox bars, which frames of another shape have.
    "quick": Recipe(epochs=15, min_steps=600, evaluations=6, augmentation=Augmentation(scale=(0.5, 1.5))),
    "standard": Recipe(epochs=70, min_steps=2000),
    "thorough": Recipe(
        epochs=400,
        min_steps=8000,
        crop=0.8,
        coarse=0.5,
        lr=3e-3,
        ema=0.998,
        evaluations=6,
        augmentation=Augmentation(scale=(0.75, 2.0)),
    ),
    # For training further as INT8: it only has to recover what the rounding costs.
    "qat": Recipe(epochs=5, min_steps=100, lr=2e-4, schedule="cosine", warmup=0.05, evaluations=5),
}
