"""Normalisation folded into the convolutions, so that the exported graph has nothing left to compute for it."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgeunet.model import UNet
from edgeunet.spec import ModelSpec


def folded(net: UNet, spec: ModelSpec) -> UNet:
    """A copy in eval mode that takes `frame - mean` instead of `(frame - mean) / std`; the logits are the same.

    Each batch norm goes into the convolution before it, 1/std into the weights of the first one.
    The mean stays outside: inside, as a bias, it would be wrong where the zero padding reaches in.
    """
    net = copy.deepcopy(net).eval()
    for block in list(net.modules()):
        if not isinstance(block, nn.Sequential):
            continue
        for index in range(1, len(block)):
            conv, norm = block[index - 1], block[index]
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                block[index - 1], block[index] = fuse_conv_bn_eval(conv, norm), nn.Identity()
    first = next(module for module in net.modules() if isinstance(module, nn.Conv2d))
    with torch.no_grad():
        first.weight /= torch.tensor(spec.std).view(1, 3, 1, 1)
    return net
