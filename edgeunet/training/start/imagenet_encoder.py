"""A new network whose encoder starts from ImageNet's weights."""

from __future__ import annotations

import torch

from edgeunet.network.pretrained import load_pretrained, pretrained_parameters, pretrained_text
from edgeunet.network.unet import UNet, UNetConfig
from edgeunet.training.start.earlier_network import ContinuedNetwork


def with_imagenet_encoder(config: UNetConfig, *, seed: int, resumed: bool) -> ContinuedNetwork:
    """A network of that shape; its other layers follow from the seed, as those of a network without weights.

    resumed: its values will be those of an interrupted run, which needs no package of weights.
    """
    torch.manual_seed(seed)
    net = UNet(config)
    if not resumed:
        load_pretrained(net)
    return ContinuedNetwork(net, pretrained_parameters(net), (f"encoder: {pretrained_text(config.in_channels)}",))
