"""Batch norm folding: normalisation becomes part of the convolutions, so that it costs nothing at inference."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from edgeunet.network.unet import UNet
from edgeunet.spec import ModelSpec


def folded(net: UNet, spec: ModelSpec) -> UNet:
    """A copy in eval mode that takes `frame - mean` instead of `(frame - mean) / std`; the logits are the same.

    Each batch norm goes into the convolution before it, 1/std into the weights of the first one.
    The mean stays outside: as a bias it would be wrong at the border, where the input is zero padding.
    """
    with torch.no_grad():
        parameters = folded_parameters(net, spec)
    net = copy.deepcopy(net).eval()
    for conv_path, norm_path in _normalised(net):
        conv = cast(nn.Conv2d, net.get_submodule(conv_path))
        conv.bias = nn.Parameter(conv.weight.new_empty(conv.out_channels))
        net.set_submodule(norm_path, nn.Identity())
    net.load_state_dict(parameters)
    return net


def folded_parameters(net: UNet, spec: ModelSpec) -> dict[str, Tensor]:
    """The weights and biases of `folded`, by their names there, computed from the network's.

    Differentiable in the network's parameters; the statistics of batch norm are constants.
    """
    parameters: dict[str, Tensor] = dict(net.named_parameters())
    for conv, path in _normalised(net):
        norm = cast(nn.BatchNorm2d, net.get_submodule(path))
        mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
        gain = parameters.pop(f"{path}.weight") * torch.rsqrt(variance + norm.eps)
        parameters[f"{conv}.weight"] = parameters[f"{conv}.weight"] * gain.reshape(-1, 1, 1, 1)
        shift = parameters.get(f"{conv}.bias", 0.0) - mean
        parameters[f"{conv}.bias"] = parameters.pop(f"{path}.bias") + shift * gain
    first = next(name for name, module in net.named_modules() if isinstance(module, nn.Conv2d))
    weight = parameters[f"{first}.weight"]
    parameters[f"{first}.weight"] = weight / weight.new_tensor(spec.std).reshape(1, -1, 1, 1)
    return parameters


def _normalised(net: nn.Module) -> Iterator[tuple[str, str]]:
    """The paths of each convolution that a batch norm follows, and of that batch norm."""
    for path, block in list(net.named_modules()):
        children = list(block.named_children()) if isinstance(block, nn.Sequential) else []
        for (before, conv), (after, norm) in pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                yield f"{path}.{before}", f"{path}.{after}"
