"""What last.pt holds besides the network: everything a run needs to go on, read as strictly as it is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import torch
from torch import Tensor

from edgeunet.errors import ModelFileError
from edgeunet.network.checkpoint import require_tensors
from edgeunet.utils.json_fields import NotNegative, Whole, plain_reason

_STATE = {
    torch.optim.SGD: {"momentum_buffer"},
    torch.optim.Adam: {"step", "exp_avg", "exp_avg_sq"},
    torch.optim.AdamW: {"step", "exp_avg", "exp_avg_sq"},
}
"""What each optimiser remembers of a parameter."""
_REMEDY = "start again with --force"


@dataclass(frozen=True)
class TrainingState:
    """net: of the weights that are trained. best: the largest mIoU so far; None before there is one.

    settings: see Job.settings. scaler: empty unless the run is in fp16. losses: since the last evaluation.
    rows: the evaluations. learnt: the ranges of a fake-quantised network. seconds: that the run has had.
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
    def of(cls, value: Any, origin: str) -> TrainingState:
        """From a checkpoint's "run". origin: the file's name; raises ModelFileError."""
        try:
            if not isinstance(value, dict):  # msgspec would ask a tensor for its items
                raise TypeError("it holds no run")
            return msgspec.convert(value, cls)
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            raise ModelFileError(f"{origin} cannot be resumed from ({plain_reason(error)}): {_REMEDY}") from error


def load_optimizer(optimizer: torch.optim.Optimizer, value: Mapping[str, Any], origin: str) -> None:
    """Give an optimiser a state that fits its parameters; raises ModelFileError for any other."""
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
        and all(entry.keys() == _STATE[type(optimizer)] for entry in state.values())
    )
    if not fits:
        raise ModelFileError(f"{origin} cannot be resumed from (its optimiser is of another network): {_REMEDY}")
    optimizer.load_state_dict(dict(value))


def load_network(net: torch.nn.Module, value: Any, origin: str) -> None:
    """Give a network exactly the tensors that it has; raises ModelFileError for any others."""
    net.load_state_dict(require_tensors(value, net.state_dict(), origin))


def _same_group(group: Any, own: Mapping[str, Any]) -> bool:
    """Whether a group of parameters has the settings of another; the learning rate is given anew at each step."""
    return (
        isinstance(group, dict)
        and group.keys() == own.keys()
        and all(group[name] == own[name] for name in own if name != "lr")
        and isinstance(group["lr"], float)
        and math.isfinite(group["lr"])
    )


def _fits(name: str, item: Any, parameter: Tensor) -> bool:
    """Whether this is what an optimiser remembers of a parameter under that name."""
    if not isinstance(item, Tensor) or item.layout != torch.strided or not item.is_floating_point():
        return False
    if name == "step":
        return item.shape == () and 0 <= item.item() < 2**53
    return item.shape == parameter.shape and item.dtype == parameter.dtype
