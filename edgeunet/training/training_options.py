"""The options of `edgeunet train`, checked against each other before any file is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgeunet.data.facts.levels import AUTO, levels_from_text, levels_of_frames
from edgeunet.data.loading import LoadedSplit
from edgeunet.errors import UsageError
from edgeunet.imaging.pixels import Levels
from edgeunet.network.unet import PRESETS
from edgeunet.quantisation.target import TENSORRT, target_of
from edgeunet.spec import BGR, Fit, PixelFormat, require_fit
from edgeunet.training.hardware import trained_precision
from edgeunet.training.processes import distributed
from edgeunet.training.recipe import RECIPES, Recipe
from edgeunet.utils.limits import require_in

DEFAULT = "small"
"""The preset without a checkpoint to start from."""
MOST_WORKERS = 1024
_CHOICES = {
    "optimizer": ("sgd", "adam", "adamw"),
    "schedule": ("cosine", "onecycle"),
    "loss": ("ce", "dice", "ce+dice"),
}


@dataclass(frozen=True)
class TrainingOptions:
    """What to train, and how.

    model: "nano", "small", "base", "lite" or "classic"; "" is the checkpoint's to start from, else "small".
    size: (height, width) in pixels; chosen from the data if not given.
    tiles: (rows, columns) that each frame is cut into; `size` is then that of one tile.
    fit: how frames get to that size, "letterbox" or "stretch".
    channels: of the frames, 1, 3 or 4; those of `weights` if not given, else 3.
    levels: for frames of 16 bits, which value is black and which white: "LOW:HIGH", once or for each channel with
    commas between them, or "auto", from the data; "" for frames of 8 bits.
    recipe: "quick", "standard", "thorough" or "qat"; "" chooses: "qat" with `qat`, else
    "standard". steps: the number of steps, instead of the recipe's. changes: other fields of the recipe to replace;
    None keeps the recipe's value.
    time_budget_s: end after this many seconds instead of the recipe's steps. workers: processes that prepare crops, 0
    for this one; chosen by the number of cores if not given. precision: "auto", "fp32", "bf16" or, on a GPU, "fp16".
    compiled: through torch.compile.
    weights: the checkpoint to start from, of other classes and another input size as well; it sets the network. The
    recipe is then that for trained layers.
    pretrained: start the encoder of "lite" from ImageNet's weights, whose package must be installed.
    splits: those to train on, train among them. With val there is no score: the last network is kept.
    qat: the checkpoint to start from, trained as INT8 for `target`; it sets the network and the input size.
    resume: continue the interrupted run in the folder. force: replace what is in the folder.
    """

    model: str = ""
    recipe: str = ""
    size: tuple[int, int] | None = None
    tiles: tuple[int, int] = (1, 1)
    fit: Fit = "letterbox"
    channels: int | None = None
    levels: str = ""
    steps: int | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    workers: int | None = None
    precision: str = "auto"
    compiled: bool = False
    time_budget_s: float | None = None
    resume: bool = False
    force: bool = False
    qat: Path | None = None
    target: str = TENSORRT.name
    weights: Path | None = None
    pretrained: bool = True
    splits: tuple[str, ...] = ("train",)

    def __post_init__(self) -> None:
        if self.recipe not in ("", *RECIPES):
            raise UsageError(f"unknown recipe {self.recipe!r}: choose one of {', '.join(RECIPES)}")
        target_of(self.target)
        if self.qat and self.weights:
            raise UsageError("--qat trains a checkpoint as INT8 and --weights for other data: give one of them")
        given = {"size": self.size, "tiles": self.tiles != (1, 1), "channels": self.channels, "levels": self.levels}
        if self.qat and any(given.values()):
            wrong = next(name for name, value in given.items() if value)
            raise UsageError(f"--qat uses the input of its checkpoint: leave out --{wrong}")
        self._require_a_choice_of_start()
        if self.changes.get("freeze_encoder") is not None and not self._has_trained_layers:
            raise UsageError(
                "--freeze-encoder needs an encoder that is trained already: give --weights or --model lite too"
            )
        if "train" not in self.splits or "" in self.splits or len(set(self.splits)) < len(self.splits):
            raise UsageError(f"--splits are different ones, train among them, got {','.join(self.splits)}")
        channels = self.pixels.channels
        if self.levels and self.levels != AUTO:
            levels_from_text(self.levels, channels)
        if self.resume and self.force:
            raise UsageError("--resume continues a run and --force starts again: give one of them")
        if self.time_budget_s is not None and self.steps is not None:
            raise UsageError("--steps and --time-budget both say when a run ends: give one of them")
        require_fit(self.fit)
        require_in("--workers", self.workers, 0, MOST_WORKERS)
        trained_precision(self.precision, distributed.device())
        for name, allowed in _CHOICES.items():
            if self.changes.get(name) not in (None, *allowed):
                raise UsageError(f"unknown {name} {self.changes[name]!r}: choose one of {', '.join(allowed)}")

    def _require_a_choice_of_start(self) -> None:
        """Raise UsageError for --no-pretrained where it changes nothing."""
        if self.pretrained:
            return
        if self.weights or self.qat:
            option = "--weights" if self.weights else "--qat"
            raise UsageError(
                f"--no-pretrained is for a new network, {option} starts from a checkpoint: give one of them"
            )
        if self.model in ("", *PRESETS) and not PRESETS[self.model or DEFAULT].encoder:
            raise UsageError(
                f"--no-pretrained changes nothing: {self.model or DEFAULT} always starts at random; leave it out, or "
                "give --model lite"
            )

    @property
    def starts_pretrained(self) -> bool:
        """Whether the encoder starts from ImageNet's weights."""
        can = self.model in PRESETS and bool(PRESETS[self.model].encoder)
        return can and self.pretrained and not (self.weights or self.qat)

    @property
    def _has_trained_layers(self) -> bool:
        return self.weights is not None or self.starts_pretrained

    @property
    def pixels(self) -> PixelFormat:
        """Of the frames that are read, without a checkpoint to start from."""
        return PixelFormat(BGR.channels if self.channels is None else self.channels, bool(self.levels))

    def levels_of(self, samples: LoadedSplit) -> Levels:
        """The levels, typed or found in the samples; () for frames of 8 bits."""
        if self.levels == AUTO:
            return levels_of_frames((sample.frame for sample in samples), self.pixels.channels)
        return levels_from_text(self.levels, self.pixels.channels) if self.levels else ()

    def make_recipe(self) -> Recipe:
        """The recipe with `steps` and `changes` in it."""
        recipe = RECIPES[self.recipe or ("qat" if self.qat else "standard")]
        if self.steps is not None:
            recipe = replace(recipe, epochs=0, min_steps=self.steps)
        if self._has_trained_layers:
            recipe = recipe.for_trained_layers()
        return replace(recipe, **{name: value for name, value in self.changes.items() if value is not None})
