"""The optimiser that a recipe names, and the moving average of the weights."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import nn

from edgeunet.network.unet import UNet
from edgeunet.training.recipe import Recipe


def make_optimizer(net: UNet, recipe: Recipe, kept: Collection[str] = ()) -> torch.optim.Optimizer:
    """SGD, Adam or AdamW over all parameters of the network. kept: names of those that are trained already.

    Groups of these have a "share" of the learning rate; no other group has one.
    """
    named = list(net.named_parameters())
    groups = _groups([p for name, p in named if name not in kept], recipe)
    if kept:
        groups += [{**group, "share": recipe.kept_lr} for group in _groups([p for n, p in named if n in kept], recipe)]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=0.9, nesterov=True)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=recipe.lr)


def _groups(parameters: Sequence[nn.Parameter], recipe: Recipe) -> list[dict[str, Any]]:
    # Only the convolutions' weights decay; batch norm and biases have one dimension.
    decayed = [p for p in parameters if p.ndim > 1]
    rest = [p for p in parameters if p.ndim <= 1]
    return [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": rest, "weight_decay": 0.0}]


class MovingAverage:
    """A copy of the network that follows it slowly, batch-norm statistics included."""

    def __init__(self, net: UNet, decay: float) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(requires_grad=False)
        self.decay = decay

    @torch.no_grad()
    def update(self, net: UNet, step: int) -> None:
        """Move towards `net` after optimiser step `step`; faster at first, when the weights change fast."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, new in zip(self.net.state_dict().values(), net.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(new, 1 - decay)
            else:
                mine.copy_(new)
