"""The job of a training: its network, data and recipe, and how this machine runs it."""

from __future__ import annotations

import math
import re
import shlex
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgeunet.data.facts.levels import text_of
from edgeunet.data.loading import LoadedSplit
from edgeunet.errors import TrainingError, UsageError
from edgeunet.network.unet import PRESETS, UNet, UNetConfig
from edgeunet.spec import ModelSpec
from edgeunet.training.processes import distributed
from edgeunet.training.qat.fake_quantised import FakeQuantised
from edgeunet.training.recipe import RECIPES, Recipe


@dataclass(frozen=True)
class TrainingJob:
    """What to train, on which data, into which folder.

    val: the split that is scored; None where it is trained on. splits: names of those in `train`.
    start: the network to start from, of `config`; a new one if not given. A fake-quantised network is saved as an
    ordinary checkpoint, with its ranges next to it.
    kept: names of its parameters that are trained already.
    resume: continue the run in `folder`. workers: processes that prepare crops; 0 prepares them here.
    precision: see trained_precision. compiled: through torch.compile.
    time_budget_s: end after that many seconds instead of the recipe's steps, counted from `began`, a time.monotonic().
    """

    train: LoadedSplit
    val: LoadedSplit | None
    config: UNetConfig
    spec: ModelSpec
    recipe: Recipe
    folder: Path
    start: UNet | None = None
    resume: bool = False
    force: bool = False
    workers: int = 0
    precision: str = "auto"
    compiled: bool = False
    time_budget_s: float | None = None
    began: float = field(default_factory=time.monotonic)
    kept: frozenset[str] = frozenset()
    splits: tuple[str, ...] = ("train",)

    def __post_init__(self) -> None:
        if self.recipe.batch % distributed.size():
            raise UsageError(
                f"a batch of {self.recipe.batch} cannot be shared equally by {distributed.size()} processes: "
                f"give --batch {-(-self.recipe.batch // distributed.size()) * distributed.size()}"
            )

    @property
    def steps(self) -> int:
        """Optimiser steps of a run without a time budget; a crop is of one tile, and an epoch sees all of them."""
        return self.recipe.steps(len(self.train) * math.prod(self.spec.tiles))

    def crop_numbers(self, step: int) -> range:
        """The crops of optimiser step `step` (from 0), of all processes together."""
        return range(step * self.recipe.batch, (step + 1) * self.recipe.batch)

    def settings(self) -> dict[str, str]:
        """The settings that must stay the same for a resumed run to reach the same result, as text."""
        fields = _flat(asdict(self.recipe)) | _flat(asdict(self.config))
        fields |= {"classes": ", ".join(self.spec.names), "size": self.spec.input_size, "fit": self.spec.fit}
        fields |= {"tiles": self.spec.tiles}
        fields |= {"train data": self.spec.provenance.dataset_sha256[:12], "splits": ",".join(self.splits)}
        fields |= {"val data": self.val.sha256[:12] if self.val else None}
        fields |= {_BUDGET: self.time_budget_s}
        if self.spec.levels:
            fields |= {"levels": text_of(self.spec.levels)}
        if isinstance(self.start, FakeQuantised):
            fields |= {"qat": self.spec.provenance.parent_sha256[:12], "target": self.start.target.name}
        elif self.spec.provenance.parent_sha256:
            fields |= {_WEIGHTS: self.spec.provenance.parent_sha256[:12]}
        if self.config.encoder:
            fields |= {_PRETRAINED: self.spec.provenance.pretrained_sha256[:12] or _NO}
        return {key: str(value) for key, value in fields.items()}

    def require_settings(self, then: Mapping[str, str]) -> None:
        """Raise TrainingError that names every difference from the settings of the run in the folder."""
        now, then = self.settings(), {**_OLDER, **then}
        absent = "(not there)"
        names = [*now, *(name for name in then if name not in now)]
        pairs = {name: (then.get(name, absent), now.get(name, absent)) for name in names}
        changed = [name for name, (old, new) in pairs.items() if old != new]
        if changed:
            seen = "; ".join(f"{_as_typed(n, pairs[n][0])}, now {_value(n, pairs[n][1])}" for n in changed)
            options = options_of(then, changed)
            remedy = f"type {options} to continue it" if options else "resume with the same settings"
            if _GIVEN.intersection(changed):
                remedy = (
                    f"give the data that it was trained on{f' and type {options}' if options else ''} to continue it"
                )
            if _PRETRAINED in changed and now.get(_PRETRAINED) == _NO:
                remedy = f"leave out --no-pretrained{f' and type {options}' if options else ''} to continue it"
            other = "start a new run elsewhere"
            if (_LENGTH | _GIVEN).issuperset(changed):
                other = f"train its network further elsewhere: --weights {shlex.quote(str(self.folder / 'best.pt'))}"
            raise TrainingError(f"{self.folder} was trained with other settings ({seen}): {remedy}, or {other}")


def options_of(then: Mapping[str, str], changed: Sequence[str]) -> str:
    """The options of `edgeunet train` that restore settings of an earlier run; settings without an option are left
    out."""
    network, recipe = _flat(asdict(PRESETS["nano"])), _flat(asdict(RECIPES["quick"]))
    asked = then.get("epochs") == "0"  # --steps was given
    typed = {*_OPTIONS} - ({"min_steps"} if not asked else set())
    words = {_as_typed(name, then[name]) for name in changed if name in typed and then.get(name, "None") != "None"}
    if set(changed) & network.keys() - typed - _GIVEN and (name := _named(PRESETS, then, set())):
        words.add(f"--model {name}")
    if set(changed) & recipe.keys() - typed - _TRAINED and (
        name := _named(RECIPES, then, {*_OPTIONS, *_TRAINED, "epochs"})
    ):
        words.add(f"--recipe {name}")
    if _WEIGHTS in changed and _WEIGHTS in then:
        words = {word for word in words if not word.startswith("--model")} | {"--weights CHECKPOINT"}
    if _PRETRAINED in changed:
        words = {word for word in words if not word.startswith("--freeze-encoder")}
        words |= {"--no-pretrained"} if then.get(_PRETRAINED) == _NO else set()
    return " ".join(sorted(words))


_BUDGET, _WEIGHTS, _PRETRAINED, _NO = "time budget in s", "weights", "pretrained", "no"
_LENGTH, _TRAINED = {"epochs", "min_steps", _BUDGET}, {"freeze_encoder", "kept_lr"}
_GIVEN = {"classes", "train data", "val data"}  # by the dataset
# The settings that runs of older versions do not have.
_OLDER = {"tiles": "(1, 1)", "encoder": "", "freeze_encoder": "0.0", "kept_lr": "1.0", "splits": "train"}
_OPTIONS = {name: f"--{name}" for name in ("batch", "lr", "optimizer", "schedule", "loss", "seed", "fit", "target")}
_OPTIONS |= {"size": "--size", "tiles": "--tiles", "in_channels": "--channels", "levels": "--levels"}
_OPTIONS |= {"splits": "--splits"}
_OPTIONS |= {
    "min_steps": "--steps",
    _BUDGET: "--time-budget",
    "freeze_encoder": "--freeze-encoder",
}


def _as_typed(name: str, value: str) -> str:
    """A setting and its value as `edgeunet train` takes them, or by its name where no option sets it."""
    return f"{_OPTIONS.get(name, name)} {_value(name, value)}"


def _value(name: str, value: str) -> str:
    if value == "None":
        return "none"
    if name == _BUDGET:
        return f"{float(value):g}s"
    return "x".join(re.findall(r"\d+", value)) if name in ("size", "tiles") else value


def _named(known: Mapping[str, Any], then: Mapping[str, str], but: Collection[str]) -> str:
    """The name of the preset or recipe with these settings, apart from the fields `but`; "" for none."""
    but = {*but, "classes", "in_channels"}
    for name, value in known.items():
        fields = {k: str(v) for k, v in _flat(asdict(value)).items() if k not in but}
        if all(then.get(k) == v for k, v in fields.items()):
            return name
    return ""


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Nested fields under dotted names, so that a difference names the exact field."""
    flat: dict[str, Any] = {}
    for key, value in fields.items():
        flat |= {f"{key}.{k}": v for k, v in _flat(value).items()} if isinstance(value, dict) else {key: value}
    return flat
