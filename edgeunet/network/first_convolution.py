"""The first convolution of a trained network, for frames with another number of channels."""

from __future__ import annotations

import torch
from torch import Tensor


def for_channels(weight: Tensor, channels: int) -> Tensor:
    """Weights (out, n, height, width) → (out, channels, height, width) that give about the same for the same scene.

    Channels are those of a model's spec: grey, or BGR, or BGR and a fourth. A new fourth starts as the mean of the
    colours, and one that is left out was about that; so the sum over the channels stays.
    """
    now = weight.shape[1]
    if channels == now:
        return weight
    if channels == 1:
        return weight.sum(dim=1, keepdim=True)
    if now == 1:
        return weight.expand(-1, channels, -1, -1) / channels
    more = torch.cat([weight, weight.mean(dim=1, keepdim=True)], dim=1)
    return more[:, :channels] * (now / channels)
