from __future__ import annotations

import copy

import torch
from torch import nn

from edgeunet.network.unet import UNet, UNetConfig
from edgeunet.training.processes.batchnorm import SynchronizedBatchNorm, synchronized


def test_alone_it_is_torchs_batch_norm() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(4)
    nn.init.uniform_(norm.weight, 0.5, 2)
    nn.init.uniform_(norm.bias)
    parent = nn.Sequential(copy.deepcopy(norm))
    synchronized(parent, torch.device("cpu"))
    ours = parent[0]
    assert isinstance(ours, SynchronizedBatchNorm)
    values = torch.randn(3, 4, 5, 6) * 3 + 7
    outputs, gradients = [], []
    for layer in (norm, ours):
        x = values.clone().requires_grad_()
        y = layer(x)
        (y * torch.linspace(-1, 2, y.numel()).view_as(y)).sum().backward()
        outputs.append(y.detach())
        gradients.append((x.grad, layer.weight.grad, layer.bias.grad))
    torch.testing.assert_close(outputs[1], outputs[0])
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.state_dict(), norm.state_dict())
    torch.testing.assert_close(ours.eval()(values), norm.eval()(values))


def test_a_networks_names_and_parameters_stay() -> None:
    net = UNet(UNetConfig(classes=2, features=(2, 4)))
    before, parameters = net.state_dict(), list(net.parameters())
    synchronized(net, torch.device("cpu"))
    assert list(net.state_dict()) == list(before)
    assert all(a is b for a, b in zip(net.parameters(), parameters, strict=True))
    assert not [m for m in net.modules() if type(m) is nn.BatchNorm2d]
