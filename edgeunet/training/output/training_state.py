"""The state of a training: all that a run needs to continue, saved in last.pt and checked when it is read."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from edgeunet.errors import ModelFileError
from edgeunet.network.checkpoint import read_checkpoint, require_tensors, save_checkpoint
from edgeunet.network.unet import UNet
from edgeunet.training.optimizer import MovingAverage, make_optimizer
from edgeunet.training.processes import distributed
from edgeunet.training.processes.batchnorm import synchronized
from edgeunet.training.progress import TrainingProgress, columns
from edgeunet.training.qat.fake_quantised import FakeQuantised
from edgeunet.training.training_job import TrainingJob
from edgeunet.utils.json_fields import NotNegative, Whole, plain_reason

_REMEMBERED = {
    torch.optim.SGD: {"momentum_buffer"},
    torch.optim.Adam: {"step", "exp_avg", "exp_avg_sq"},
    torch.optim.AdamW: {"step", "exp_avg", "exp_avg_sq"},
}
"""The values that each optimiser keeps for a parameter."""
_REMEDY = "start again with --force"


@dataclass(frozen=True)
class SavedState:
    """A checkpoint's "run". net: the weights that are trained; those of the moving average are the checkpoint's own.

    settings: see TrainingJob.settings. scaler: empty unless the run is in fp16. learnt: the ranges of a fake-quantised
    network. The others: see TrainingProgress.
    """

    settings: dict[str, str]
    net: dict[str, Any]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    step: Whole
    seconds: NotNegative
    best: float | None
    losses: list[float]
    rows: list[dict[str, float]]
    learnt: dict[str, Any]

    @classmethod
    def of(cls, value: Any, origin: str) -> SavedState:
        """origin: the file's name; raises ModelFileError."""
        try:
            if not isinstance(value, dict):  # msgspec would ask a tensor for its items
                raise TypeError("it holds no run")
            return msgspec.convert(value, cls)
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            raise ModelFileError(f"{origin} cannot be resumed from ({plain_reason(error)}): {_REMEDY}") from error


class TrainingState:
    """The values that the steps of a run change, the same in each process.

    net: the network that is trained. average: the moving average of it, which is evaluated and kept.
    scaler: of the gradients in fp16, else without effect. There is no other state: every crop follows from its number,
    and the learning rate from the progress.
    """

    def __init__(self, job: TrainingJob, device: torch.device, precision: str) -> None:
        torch.manual_seed(job.recipe.seed)
        net = UNet(job.config) if job.start is None else copy.deepcopy(job.start)
        self.net: UNet = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = MovingAverage(self.net, job.recipe.ema)
        if distributed.size() > 1:
            synchronized(self.net, device)
        self.optimizer = make_optimizer(self.net, job.recipe, job.kept)
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == "fp16")

    def save(self, path: Path, job: TrainingJob, progress: TrainingProgress) -> None:
        """Write it as a checkpoint of the averaged network; replaces an older file in one step."""
        average = self.average.net
        quantised = average if isinstance(average, FakeQuantised) else None
        run = {
            "settings": job.settings(),
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "learnt": quantised.learnt() if quantised else {},
            **progress.values(),
        }
        save_checkpoint(path, quantised.plain() if quantised else average, job.spec, run=run)

    def restore(self, path: Path, job: TrainingJob, progress: TrainingProgress) -> None:
        """Restore the state and the progress from what save() wrote.

        Raises ModelFileError for a file that is damaged or of another network, TrainingError for other settings.
        """
        origin, value = str(path), read_checkpoint(path)
        saved = SavedState.of(value["run"], origin)
        job.require_settings(saved.settings)
        load_network(self.net, saved.net, origin)
        averaged = value["model"] if isinstance(value["model"], dict) else {}
        load_network(self.average.net, averaged | saved.learnt, origin)
        load_optimizer(self.optimizer, saved.optimizer, origin)
        if any(list(row) != columns(job.spec.names) for row in saved.rows):
            raise ModelFileError(f"{path} cannot be resumed from (its log has other columns): {_REMEDY}")
        if self.scaler.is_enabled():
            if saved.scaler.keys() != self.scaler.state_dict().keys():
                raise ModelFileError(f"{path} cannot be resumed from (it is not of fp16): {_REMEDY}")
            self.scaler.load_state_dict(saved.scaler)
        # Before there was a score, earlier versions wrote -1.
        best = None if saved.best is None or not saved.best >= 0 else saved.best
        progress.resume(saved.step, saved.seconds, best, saved.losses, saved.rows)


def load_optimizer(optimizer: torch.optim.Optimizer, value: Mapping[str, Any], origin: str) -> None:
    """Load a state into an optimiser; raises ModelFileError if it does not fit the parameters."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    own = optimizer.state_dict()["param_groups"]
    groups, state = value.get("param_groups"), value.get("state")
    fits = (
        isinstance(groups, list)
        and isinstance(state, dict)
        and len(groups) == len(own)
        and all(_same_group(group, like) for group, like in zip(groups, own, strict=True))
        and all(
            isinstance(index, int)
            and 0 <= index < len(parameters)
            and isinstance(entry, dict)
            and all(_fits(name, item, parameters[index]) for name, item in entry.items())
            for index, entry in state.items()
        )
        and all(entry.keys() == _REMEMBERED[type(optimizer)] for entry in state.values())
    )
    if not fits:
        raise ModelFileError(f"{origin} cannot be resumed from (its optimiser is of another network): {_REMEDY}")
    optimizer.load_state_dict(dict(value))


def load_network(net: torch.nn.Module, value: Any, origin: str) -> None:
    """Load tensors into a network; raises ModelFileError unless they are exactly those that it has."""
    net.load_state_dict(require_tensors(value, net.state_dict(), origin))


def _same_group(group: Any, own: Mapping[str, Any]) -> bool:
    """Whether a group of parameters has the settings of another; each step sets its own learning rate."""
    return (
        isinstance(group, dict)
        and group.keys() == own.keys()
        and all(group[name] == own[name] for name in own if name != "lr")
        and isinstance(group["lr"], float)
        and math.isfinite(group["lr"])
    )


def _fits(name: str, item: Any, parameter: Tensor) -> bool:
    """Whether this is a valid optimiser value of that name for a parameter."""
    if not isinstance(item, Tensor) or item.layout != torch.strided or not item.is_floating_point():
        return False
    if name == "step":
        return item.shape == () and 0 <= item.item() < 2**53
    return item.shape == parameter.shape and item.dtype == parameter.dtype
