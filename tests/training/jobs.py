"""Small trainings for tests: a network of two levels, frames of 32×48, an observer that remembers."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from edgeunet.data.dataset import DatasetFolder
from edgeunet.data.loading import load_split
from edgeunet.evaluation.metrics import Scores
from edgeunet.network.unet import UNetConfig
from edgeunet.spec import ModelSpec
from edgeunet.training.recipe import Recipe
from edgeunet.training.training_job import TrainingJob

RECIPE = Recipe(epochs=0, min_steps=12, batch=2, evaluations=3, lr=1e-2, ema=0.8)


class Watcher:
    """An observer that remembers, and can press Ctrl-C, or send another signal, after so many steps."""

    def __init__(self, interrupt_at: int = -1, number: signal.Signals = signal.SIGINT) -> None:
        self.losses: list[float] = []
        self.scores: list[Scores] = []
        self._interrupt_at, self._number = interrupt_at, number

    def on_step(self, position: int, total: int, loss: float, images_per_s: float) -> None:
        self.losses.append(loss)
        assert images_per_s > 0
        if len(self.losses) == self._interrupt_at:
            signal.raise_signal(self._number)

    def on_evaluation(self, step: int, scores: Scores, *, best: bool) -> None:
        self.scores.append(scores)


def job(
    dataset: DatasetFolder,
    folder: Path,
    recipe: Recipe = RECIPE,
    features: tuple[int, ...] = (8, 16),
    size: tuple[int, int] = (32, 48),
    **changes: Any,
) -> TrainingJob:
    spec = ModelSpec(dataset.classes, size)
    config = UNetConfig(classes=spec.logits, features=features, up="nearest")
    return TrainingJob(
        load_split(dataset, "train"), load_split(dataset, "val"), config, spec, recipe, folder, **changes
    )
