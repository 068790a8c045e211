"""The optimiser that a recipe names, and the moving average of the weights."""

from __future__ import annotations

import copy

import torch

from edgeunet.network.unet import UNet
from edgeunet.training.recipe import Recipe


def make_optimizer(net: UNet, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD, Adam or AdamW over all parameters of the network."""
    # Only the convolutions' weights decay; batch norm and biases have one dimension.
    decayed = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=0.9, nesterov=True)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=recipe.lr)


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
