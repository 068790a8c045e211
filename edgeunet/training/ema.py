"""Exponential moving average of the weights: steadier than the weights themselves."""

from __future__ import annotations

import copy

import torch

from edgeunet.model import UNet


class MovingAverage:
    """Holds a copy of the network that follows it slowly; batch-norm statistics follow too."""

    def __init__(self, net: UNet, decay: float) -> None:
        self.net = copy.deepcopy(net).eval().requires_grad_(requires_grad=False)
        self.decay = decay

    @torch.no_grad()
    def update(self, net: UNet, step: int) -> None:
        """Move towards `net` after optimiser step `step`; faster at first, when the weights still run."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, new in zip(self.net.state_dict().values(), net.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(new, 1 - decay)
            else:
                mine.copy_(new)
