"""The optimiser that a recipe names."""

from __future__ import annotations

import torch

from edgeunet.model import UNet
from edgeunet.training.recipe import Recipe


def make_optimizer(net: UNet, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD, Adam or AdamW over all parameters of the network."""
    # Decay is for the convolutions' weights; batch norm and biases have one dimension.
    decayed = [p for p in net.parameters() if p.ndim > 1]
    rest = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=recipe.lr, momentum=0.9, nesterov=True)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=recipe.lr)
