"""What to train: the network, the data, the recipe, and how this machine is to do it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgeunet.data.folder import Sample
from edgeunet.errors import OutputError, TrainingError, UsageError
from edgeunet.model import UNet, UNetConfig
from edgeunet.spec import ModelSpec
from edgeunet.training import distributed
from edgeunet.training.qat_network import FakeQuantised
from edgeunet.training.qat_ranges import RANGES
from edgeunet.training.recipe import Recipe

BEST, LAST, LOG, RECORD = "best.pt", "last.pt", "log.csv", "run.json"


@dataclass(frozen=True)
class Job:
    """What to train: on what, into which folder.

    start: the network to go on from, of `config`; a new one if not given. One that is fake-quantised is kept as an
        ordinary checkpoint, with its ranges beside it.
    resume: go on with the run in `folder`. workers: processes that prepare crops; 0 prepares them here.
    precision: see trained_precision. compiled: through torch.compile.
    time_budget_s: end after so many seconds instead of the recipe's steps. began: time.monotonic() from which they
    count. val_sha256: hash of the val split; that of the train split is in the spec.
    """

    train: Sequence[Sample]
    val: Sequence[Sample]
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
    val_sha256: str = ""

    def __post_init__(self) -> None:
        if self.recipe.batch % distributed.size():
            raise UsageError(
                f"a batch of {self.recipe.batch} cannot be shared equally by {distributed.size()} processes: "
                f"give --batch {-(-self.recipe.batch // distributed.size()) * distributed.size()}"
            )

    @property
    def steps(self) -> int:
        """Optimiser steps of a run without a time budget."""
        return self.recipe.steps(len(self.train))

    def crop_numbers(self, step: int) -> range:
        """The crops that optimiser step `step` (from 0) learns from, in all processes together."""
        return range(step * self.recipe.batch, (step + 1) * self.recipe.batch)

    def settings(self) -> dict[str, str]:
        """What must be the same for a resumed run to reach the same result, as text."""
        fields = _flat(asdict(self.recipe)) | _flat(asdict(self.config))
        fields |= {"classes": ", ".join(self.spec.names), "size": self.spec.input_size, "fit": self.spec.fit}
        fields |= {"train data": self.spec.provenance.dataset_sha256[:12], "val data": self.val_sha256[:12]}
        fields |= {"time budget in s": self.time_budget_s}
        if isinstance(self.start, FakeQuantised):
            fields |= {"qat": self.spec.provenance.parent_sha256[:12], "target": self.start.dialect.name}
        return {key: str(value) for key, value in fields.items()}

    def require_settings(self, then: Mapping[str, str]) -> None:
        """Raise TrainingError that names every difference from the settings of the run in the folder."""
        now = self.settings()
        absent = "(not there)"
        names = [*now, *(name for name in then if name not in now)]
        pairs = {name: (then.get(name, absent), now.get(name, absent)) for name in names}
        changed = [f"{name} {old} → {new}" for name, (old, new) in pairs.items() if old != new]
        if changed:
            raise TrainingError(
                f"{self.folder} was trained with other settings ({'; '.join(changed)}): "
                "resume with the same ones, or start a new run in another folder"
            )


def require_free(folder: Path, *, force: bool) -> None:
    """Raise OutputError if a run is in the folder already and `force` is false."""
    if outputs(folder) and not force:
        raise OutputError(f"{folder} holds a run already: --resume goes on with it, --force starts again")


def outputs(folder: Path) -> list[Path]:
    """The files of a run that are in the folder."""
    return [folder / name for name in (BEST, LAST, LOG, RECORD, RANGES) if (folder / name).exists()]


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Nested fields under dotted names, so that a difference shows the one that differs."""
    flat: dict[str, Any] = {}
    for key, value in fields.items():
        flat |= {f"{key}.{k}": v for k, v in _flat(value).items()} if isinstance(value, dict) else {key: value}
    return flat
